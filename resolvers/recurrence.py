"""The days of what recurs: counted from the first one, so that a short month shortens none after it (31 January, 28 February, 31 March)."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Final, Literal

Rhythm = Literal["WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"]

_WEEK: Final = timedelta(weeks=1)
_MONTHS: Final[dict[Rhythm, int]] = {"MONTHLY": 1, "QUARTERLY": 3, "YEARLY": 12}


def occurrence(starts_on: date, rhythm: Rhythm, number: int) -> date:
    """A day of the series; number 0 is `starts_on`."""
    if rhythm == "WEEKLY":
        return starts_on + number * _WEEK
    years, month = divmod(starts_on.month - 1 + number * _MONTHS[rhythm], 12)
    year = starts_on.year + years
    return date(year, month + 1, min(starts_on.day, monthrange(year, month + 1)[1]))


def next_after(starts_on: date, rhythm: Rhythm, day: date) -> date:
    """The first day of the series after `day`."""
    return occurrence(starts_on, rhythm, _number_after(starts_on, rhythm, day))


def last_before(starts_on: date, rhythm: Rhythm, day: date) -> date | None:
    """The last day of the series before `day`; None where that is no later than the first."""
    number = _number_after(starts_on, rhythm, day - timedelta(days=1)) - 1
    return None if number < 0 else occurrence(starts_on, rhythm, number)


def _number_after(starts_on: date, rhythm: Rhythm, day: date) -> int:
    if day < starts_on:
        return 0
    if rhythm == "WEEKLY":
        return (day - starts_on) // _WEEK + 1
    months = 12 * (day.year - starts_on.year) + day.month - starts_on.month
    number = months // _MONTHS[rhythm]
    return number if occurrence(starts_on, rhythm, number) > day else number + 1
