"""Periods of whole days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from resolvers.days import EARLIEST, LATEST
from resolvers.periods import (
    Division,
    Period,
    PeriodPreset,
    Span,
    covering,
    covering_divided,
    divided,
    period_before,
    period_between,
    period_of,
)

# The driver's monitoring threads draw request numbers from the same `random` at the same time.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")

DAYS = st.dates(EARLIEST, LATEST)
TODAY = date(2026, 11, 24)  # a Tuesday


@st.composite
def periods(draw: st.DrawFn, most_days: int = 3652) -> Period:
    first = draw(st.dates(EARLIEST, LATEST - timedelta(days=most_days)))
    return Period(first, first + timedelta(days=draw(st.integers(0, most_days - 1))))


def days_of(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]


def days_covered(span: Span) -> list[date]:
    """Every day that the rows of a span add up, in order."""
    found: list[date] = []
    for start in span.starts():
        end = start + timedelta(days=1) if span.grain == "DAY" else (start.replace(day=28) + timedelta(days=4)).replace(day=1)
        found += days_of(start, end)
    return found


@pytest.mark.parametrize(
    ("preset", "first", "last", "before_first", "before_last"),
    [
        (PeriodPreset.TODAY, (2026, 11, 24), (2026, 11, 24), (2026, 11, 23), (2026, 11, 23)),
        (PeriodPreset.YESTERDAY, (2026, 11, 23), (2026, 11, 23), (2026, 11, 22), (2026, 11, 22)),
        (PeriodPreset.THIS_WEEK, (2026, 11, 23), (2026, 11, 29), (2026, 11, 16), (2026, 11, 22)),
        (PeriodPreset.LAST_WEEK, (2026, 11, 16), (2026, 11, 22), (2026, 11, 9), (2026, 11, 15)),
        (PeriodPreset.THIS_MONTH, (2026, 11, 1), (2026, 11, 30), (2026, 10, 1), (2026, 10, 31)),
        (PeriodPreset.LAST_MONTH, (2026, 10, 1), (2026, 10, 31), (2026, 9, 1), (2026, 9, 30)),
        (PeriodPreset.THIS_YEAR, (2026, 1, 1), (2026, 12, 31), (2025, 1, 1), (2025, 12, 31)),
        (PeriodPreset.LAST_YEAR, (2025, 1, 1), (2025, 12, 31), (2024, 1, 1), (2024, 12, 31)),
        (PeriodPreset.LAST_7_DAYS, (2026, 11, 18), (2026, 11, 24), (2026, 11, 11), (2026, 11, 17)),
        (PeriodPreset.LAST_30_DAYS, (2026, 10, 26), (2026, 11, 24), (2026, 9, 26), (2026, 10, 25)),
    ],
)
def test_a_preset_names_a_period_and_what_it_is_compared_with(
    preset: PeriodPreset,
    first: tuple[int, int, int],
    last: tuple[int, int, int],
    before_first: tuple[int, int, int],
    before_last: tuple[int, int, int],
) -> None:
    period = period_of(preset, TODAY)
    assert period == Period(date(*first), date(*last))
    assert period_before(period, preset) == Period(date(*before_first), date(*before_last))


@given(DAYS, st.sampled_from(PeriodPreset))
def test_what_a_period_is_compared_with_ends_the_day_before_it(today: date, preset: PeriodPreset) -> None:
    period = period_of(preset, today)
    before = period_before(period, preset)
    assert before.end == period.first
    assert before.first <= before.last


@given(DAYS)
def test_the_last_unit_is_what_this_one_is_compared_with(today: date) -> None:
    for unit in ("WEEK", "MONTH", "YEAR"):
        this = PeriodPreset[f"THIS_{unit}"]
        assert period_before(period_of(this, today), this) == period_of(PeriodPreset[f"LAST_{unit}"], today)
        assert period_of(this, today).first <= today <= period_of(this, today).last


@given(periods())
def test_a_period_without_a_name_is_compared_with_as_many_days_before_it(period: Period) -> None:
    before = period_before(period)
    assert (before.days, before.end) == (period.days, period.first)


@given(periods())
def test_a_period_is_covered_once_by_whole_months_and_days_at_its_ends(period: Period) -> None:
    spans = covering(period)
    assert [day for span in spans for day in days_covered(span)] == days_of(period.first, period.end)
    assert [span.grain for span in spans] in (["DAY"], ["MONTH"], ["DAY", "MONTH"], ["MONTH", "DAY"], ["DAY", "MONTH", "DAY"])


@given(periods())
def test_no_month_could_stand_for_the_days_that_cover_a_period(period: Period) -> None:
    days = {start for span in covering(period) if span.grain == "DAY" for start in span.starts()}
    for day in days:
        whole = period_of(PeriodPreset.THIS_MONTH, day)
        assert not days.issuperset(days_of(whole.first, whole.end))


def test_ten_years_are_covered_by_some_hundred_rows() -> None:
    spans = covering(period_between(date(2016, 1, 2), date(2025, 12, 30)))
    assert sum(len(list(span.starts())) for span in spans) == 30 + 118 + 30


@given(periods(), st.sampled_from(Division))
def test_the_parts_of_a_period_are_the_period(period: Period, by: Division) -> None:
    parts = divided(period, by)
    assert [day for part in parts for day in days_of(part.first, part.end)] == days_of(period.first, period.end)
    for part in parts[1:]:
        assert (by is Division.DAY, part.first.weekday() == 0, part.first.day == 1)[[*Division].index(by)]


@given(periods(800), st.sampled_from(Division))
def test_each_row_that_covers_the_parts_of_a_period_lies_in_one_of_them(period: Period, by: Division) -> None:
    parts = divided(period, by)
    for span in covering_divided(period, by):
        for row in span.parts(1):
            inside = days_covered(row)
            assert [part for part in parts if part.first <= inside[0] and inside[-1] <= part.last]


@given(periods(), st.integers(1, 100))
def test_a_span_in_parts_is_the_same_rows(period: Period, most: int) -> None:
    for span in covering(period):
        parts = list(span.parts(most))
        assert [start for part in parts for start in part.starts()] == list(span.starts())
        assert {part.grain for part in parts} == {span.grain}
        assert max(len(list(part.starts())) for part in parts) <= most


@pytest.mark.parametrize(
    ("first", "last", "path"),
    [
        (None, date(2026, 1, 1), "from"),
        (date(2026, 1, 1), None, "to"),
        (date(1999, 12, 31), date(2026, 1, 1), "from"),
        (date(1900, 1, 1), date(1900, 1, 2), "from"),
        (date(2026, 1, 1), date(2100, 1, 1), "to"),
        (date(2200, 1, 1), date(2200, 1, 2), "from"),
        (date(2026, 1, 2), date(2026, 1, 1), "to"),
        (date(2015, 3, 1), date(2025, 3, 1), "to"),
        (date(2016, 2, 29), date(2026, 3, 1), "to"),
        (date.min, date.max, "from"),
    ],
)
def test_a_period_that_cannot_be_is_refused(first: date | None, last: date | None, path: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        period_between(first, last)
    [problem] = refused.value.fields
    assert problem.path == path


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (EARLIEST, EARLIEST),
        (LATEST, LATEST),
        (date(2015, 3, 1), date(2025, 2, 28)),
        (date(2016, 2, 29), date(2026, 2, 28)),
    ],
)
def test_a_period_of_up_to_ten_years_is_taken(first: date, last: date) -> None:
    assert period_between(first, last) == Period(first, last)
