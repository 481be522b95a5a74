"""Days and hours that were fixed when something was recorded fit the moment that they are of: a part of `tillstream verify`.

In which time zone an account was then is not kept (decision 0008), so what is held is that there is one: clocks on Earth are up to 12 hours
behind UTC and up to 14 ahead of it (https://www.iana.org/time-zones).
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from resolvers.days import EARLIEST, LATEST
from resolvers.recurrence import last_before, next_after
from resolvers.verify_rows import Findings, Record

_BEHIND: Final = timedelta(hours=-12)
_AHEAD: Final = timedelta(hours=14)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_HOURS: Final = range(24)


def check_day(findings: Findings, row: str, column: str, day: str, moment: datetime) -> None:
    """There is a time zone in which a moment is on that day."""
    begins = _midnight(day)
    if begins is None or not _is_somewhere(begins - moment, _DAY):
        findings.add(f"{row}: {column} is {day}, but {moment.isoformat()} is on that day nowhere")


def check_hour(findings: Findings, row: str, sale: Record) -> None:
    """There is a time zone in which a sale's moment is in its hour of its day."""
    begins = _midnight(sale.sold_on)
    if sale.sold_hour not in _HOURS:
        findings.add(f"{row}: sold_hour is {sale.sold_hour}, but a day has the hours 0 to 23")
    elif begins is not None and not _is_somewhere(begins + sale.sold_hour * _HOUR - sale.sold_at, _HOUR):
        findings.add(f"{row}: sold_hour is {sale.sold_hour} on {sale.sold_on}, but {sale.sold_at.isoformat()} is in that hour nowhere")


def check_next(findings: Findings, recurring: Record, booked: str | None, now: datetime) -> None:
    """What recurs comes next on a day of its series, behind the last that it was booked for and not after its end.

    The days of its series before that, or up to its end where nothing comes next, have come by now: none of them was passed over.
    """
    row, following = f"recurring expense {recurring.id}", recurring.next_on
    for column in ("starts_on", "ends_on"):
        named = getattr(recurring, column)
        if named is not None and _midnight(named) is None:
            findings.add(f"{row}: {column} is {named}, which is no day that it can be")
            return
    if following is None:
        if recurring.ends_on is None:
            findings.add(f"{row}: next_on is None, but it has no end")
        else:
            _check_passed(findings, recurring, booked, _midnight(recurring.ends_on), now)
        return
    day = _midnight(following)
    due = None if day is None else next_after(date.fromisoformat(recurring.starts_on), recurring.interval, (day - _DAY).date())
    if due is None or due.isoformat() != following:
        findings.add(f"{row}: next_on is {following}, but {recurring.interval} from {recurring.starts_on} it comes on {due}")
    if booked is not None and following <= booked:
        findings.add(f"{row}: next_on is {following}, but it has been booked for {booked}")
    if recurring.ends_on is not None and following > recurring.ends_on:
        findings.add(f"{row}: next_on is {following}, but it ends on {recurring.ends_on}")
    _check_passed(findings, recurring, booked, None if day is None else day - _DAY, now)


def _check_passed(findings: Findings, recurring: Record, booked: str | None, last: datetime | None, now: datetime) -> None:
    """The days of a series up to `last` have come somewhere on Earth, or were booked. Whether each is booked still is not asked: what was
    booked may have been deleted.
    """
    day = None if last is None else last_before(date.fromisoformat(recurring.starts_on), recurring.interval, (last + _DAY).date())
    if day is not None and day.isoformat() > max(booked or "", (now + _AHEAD).date().isoformat()):
        row = f"recurring expense {recurring.id}"
        findings.add(f"{row}: next_on is {recurring.next_on}, but {day} has not come yet, and it was not booked for that")


def _midnight(day: str) -> datetime | None:
    """Where a day begins in UTC; None for what is no day, or none that anything is recorded or planned for."""
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return None
    return datetime.combine(found, datetime.min.time(), UTC) if EARLIEST <= found <= LATEST else None


def _is_somewhere(begun: timedelta, length: timedelta) -> bool:
    """Whether a clock somewhere shows the stretch of time; `begun`: its beginning by that clock less the moment in UTC."""
    return _BEHIND - length < begun <= _AHEAD
