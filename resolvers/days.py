"""Days in the time zone of a business, as columns `…_on` hold them, and the arguments that narrow a list to some of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import strawberry

from datastore.errors import InvalidInputError
from datastore.paging import UNBOUNDED, Unbounded

EARLIEST: Final = date(2000, 1, 1)
"""The first day that anything is recorded for."""

LATEST: Final = date(2099, 12, 31)
"""The last day that anything can be planned for."""

_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of a till may be ahead of ours."""

From = Annotated[date | None, strawberry.argument(name="from", description="Only what is of this day or later.")]
To = Annotated[date | None, strawberry.argument(description="Only what is of this day or earlier.")]


@dataclass(frozen=True, slots=True)
class Days:
    """Some days on end, as the half-open range `[low, high)` of a column `…_on`."""

    low: str | Unbounded = UNBOUNDED
    high: str | Unbounded = UNBOUNDED

    @classmethod
    def between(cls, first: date | None, last: date | None) -> "Days":
        """From one day to another, both included; None: without end. Raises InvalidInputError where the last comes before the first."""
        if first is not None and last is not None and last < first:
            raise InvalidInputError.of("to", "must not be before `from`")
        low = UNBOUNDED if first is None else first.isoformat()
        return cls(low, UNBOUNDED if last is None else behind(last.isoformat()))


def behind(day: str) -> str:
    """What comes right behind a day in the order of a column `…_on`, so that a range that ends there includes it."""
    return f"{day}~"


def day_of(moment: datetime, time_zone: str) -> date:
    """The day that a moment lies in in a time zone (IANA name)."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The first moment of a day in a time zone, UTC; where clocks skip midnight, the moment that they do."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def check_moment(moment: datetime, now: datetime, time_zone: str, path: str) -> datetime:
    """A moment at which something is said to have happened, as it is kept: in UTC, in whole milliseconds.

    Raises InvalidInputError at `path` for the future, and for days before the year 2000 in the time zone.
    """
    if moment > now + _TOLERANCE:
        raise InvalidInputError.of(path, "must not be in the future")
    if moment < start_of(EARLIEST, time_zone):
        raise InvalidInputError.of(path, f"must not be before {EARLIEST}")
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def check_day(day: date, latest: date, path: str) -> str:
    """A day that something is recorded for, as it is stored. Raises InvalidInputError at `path` before the year 2000 and after `latest`."""
    if not EARLIEST <= day <= latest:
        raise InvalidInputError.of(path, f"must be from {EARLIEST} to {latest}")
    return day.isoformat()


def a_year_after(day: date) -> date:
    """The same day of the next year; the last of February where that has none such."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)
