"""Periods of whole days: those that have a name, those before them, what they are divided into, and the sums that cover them.

A day is the account's own time zone's; nothing here reads a clock. Weeks begin on Monday, as in ISO 8601.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Final, Literal

import strawberry

from datastore.errors import InvalidInputError
from resolvers.days import EARLIEST, LATEST

MOST_YEARS: Final = 10

Grain = Literal["DAY", "MONTH"]

_DAY: Final = timedelta(days=1)
_DECEMBER: Final = 12


@strawberry.enum(description="A period of whole days in the time zone of the business. Weeks begin on Monday.")
class PeriodPreset(Enum):
    """Periods that are named from today."""

    TODAY = strawberry.enum_value("TODAY", description="This day, from midnight to midnight.")
    YESTERDAY = strawberry.enum_value("YESTERDAY", description="The day before today.")
    THIS_WEEK = strawberry.enum_value("THIS_WEEK", description="The week that today is in, Monday to Sunday, days to come included.")
    LAST_WEEK = strawberry.enum_value("LAST_WEEK", description="The week before.")
    THIS_MONTH = strawberry.enum_value("THIS_MONTH", description="The calendar month that today is in, days to come included.")
    LAST_MONTH = strawberry.enum_value("LAST_MONTH", description="The month before.")
    THIS_YEAR = strawberry.enum_value("THIS_YEAR", description="The calendar year that today is in, days to come included.")
    LAST_YEAR = strawberry.enum_value("LAST_YEAR", description="The year before.")
    LAST_7_DAYS = strawberry.enum_value("LAST_7_DAYS", description="Seven days, of which today is the last.")
    LAST_30_DAYS = strawberry.enum_value("LAST_30_DAYS", description="Thirty days, of which today is the last.")


@strawberry.enum(description="What a period is divided into.")
class Division(Enum):
    """The parts of a period, and the calendar units there are."""

    DAY = strawberry.enum_value("DAY", description="Single days.")
    WEEK = strawberry.enum_value("WEEK", description="Weeks, Monday to Sunday; the first and the last may be cut short by the period.")
    MONTH = strawberry.enum_value("MONTH", description="Calendar months; the first and the last may be cut short by the period.")


class _Year(Enum):
    YEAR = "YEAR"


_Unit = Division | _Year

_CALENDAR: Final[dict[PeriodPreset, tuple[_Unit, int]]] = {
    PeriodPreset.TODAY: (Division.DAY, 0),
    PeriodPreset.YESTERDAY: (Division.DAY, 1),
    PeriodPreset.THIS_WEEK: (Division.WEEK, 0),
    PeriodPreset.LAST_WEEK: (Division.WEEK, 1),
    PeriodPreset.THIS_MONTH: (Division.MONTH, 0),
    PeriodPreset.LAST_MONTH: (Division.MONTH, 1),
    PeriodPreset.THIS_YEAR: (_Year.YEAR, 0),
    PeriodPreset.LAST_YEAR: (_Year.YEAR, 1),
}
"""The calendar unit of a preset, and how many units it lies back."""

_ROLLING: Final = {PeriodPreset.LAST_7_DAYS: 7, PeriodPreset.LAST_30_DAYS: 30}
"""How many days, of which today is the last."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def end(self) -> date:
        """The day behind the last."""
        return self.last + _DAY

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.first).days


@dataclass(frozen=True, slots=True)
class Span:
    """Summary rows of one grain, one after the other: those that start from `low` up to, not including, `high`."""

    grain: Grain
    low: date
    high: date

    def starts(self) -> Iterator[date]:
        """The days that its rows start on."""
        start = self.low
        while start < self.high:
            yield start
            start = _after(start, self.grain)

    def parts(self, most: int) -> Iterator["Span"]:
        """The same rows in spans of at most `most`."""
        starts = list(self.starts())
        for position in range(0, len(starts), most):
            behind = starts[position + most] if position + most < len(starts) else self.high
            yield Span(self.grain, starts[position], behind)


def period_of(preset: PeriodPreset, today: date) -> Period:
    """The period that a preset names on the day `today`."""
    if preset in _ROLLING:
        return Period(today - timedelta(days=_ROLLING[preset] - 1), today)
    unit, back = _CALENDAR[preset]
    period = _unit_around(today, unit)
    for _ in range(back):
        period = _unit_around(period.first - _DAY, unit)
    return period


def period_before(period: Period, preset: PeriodPreset | None = None) -> Period:
    """What a period is compared with: for a preset of the calendar the calendar unit before it, else as many days before it."""
    if preset in _CALENDAR:
        return _unit_around(period.first - _DAY, _CALENDAR[preset][0])
    return Period(period.first - timedelta(days=period.days), period.first - _DAY)


def period_between(first: date | None, last: date | None) -> Period:
    """The period of the arguments `from` and `to`. Raises InvalidInputError naming the one that is missing or does not fit."""
    for path, day in (("from", first), ("to", last)):
        if day is not None and not EARLIEST <= day <= LATEST:
            raise InvalidInputError.of(path, f"must be a day from {EARLIEST} to {LATEST}")
    if first is None:
        raise InvalidInputError.of("from", "`from` and `to` are given together")
    if last is None:
        raise InvalidInputError.of("to", "`from` and `to` are given together")
    if last < first:
        raise InvalidInputError.of("to", "must not be before `from`")
    if last >= _years_after(first, MOST_YEARS):
        raise InvalidInputError.of("to", f"must be less than {MOST_YEARS} years after `from`")
    return Period(first, last)


def divided(period: Period, by: Division) -> Sequence[Period]:
    """The parts of a period in order; together they are the period."""
    parts = []
    first = period.first
    while first <= period.last:
        last = min(_unit_around(first, by).last, period.last)
        parts.append(Period(first, last))
        first = last + _DAY
    return parts


def covering(period: Period) -> Sequence[Span]:
    """The fewest summary rows that add up to a period: whole months by their months, what is left at both ends by days."""
    months_from = period.first if period.first.day == 1 else _after(period.first.replace(day=1), "MONTH")
    months_to = period.end.replace(day=1)
    if months_from >= months_to:
        return (Span("DAY", period.first, period.end),)
    spans = (Span("DAY", period.first, months_from), Span("MONTH", months_from, months_to), Span("DAY", months_to, period.end))
    return tuple(span for span in spans if span.low < span.high)


def covering_divided(period: Period, by: Division) -> Sequence[Span]:
    """The fewest summary rows that add up to each of the parts that a period is divided into."""
    return covering(period) if by is Division.MONTH else (Span("DAY", period.first, period.end),)


def _unit_around(day: date, unit: _Unit) -> Period:
    match unit:
        case Division.DAY:
            return Period(day, day)
        case Division.WEEK:
            monday = day - timedelta(days=day.weekday())
            return Period(monday, monday + timedelta(days=6))
        case Division.MONTH:
            first = day.replace(day=1)
            return Period(first, _after(first, "MONTH") - _DAY)
        case _Year.YEAR:
            return Period(date(day.year, 1, 1), date(day.year, _DECEMBER, 31))


def _after(start: date, grain: Grain) -> date:
    if grain == "DAY":
        return start + _DAY
    return date(start.year + 1, 1, 1) if start.month == _DECEMBER else date(start.year, start.month + 1, 1)


def _years_after(day: date, years: int) -> date:
    """The same day of a later year; the day after it for a 29 February that that year has not."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
