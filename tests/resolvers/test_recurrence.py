from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.recurrence import Rhythm, last_before, next_after, occurrence

RHYTHMS: list[Rhythm] = ["WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"]

days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
rhythms = st.sampled_from(RHYTHMS)


def series(starts_on: date, rhythm: Rhythm, count: int) -> list[str]:
    return [occurrence(starts_on, rhythm, number).isoformat() for number in range(count)]


@pytest.mark.parametrize(
    ("starts_on", "rhythm", "expected"),
    [
        (date(2026, 12, 28), "WEEKLY", ["2026-12-28", "2027-01-04", "2027-01-11"]),
        (date(2027, 1, 31), "MONTHLY", ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]),
        (date(2028, 1, 30), "MONTHLY", ["2028-01-30", "2028-02-29", "2028-03-30"]),
        (date(2026, 11, 30), "QUARTERLY", ["2026-11-30", "2027-02-28", "2027-05-30", "2027-08-30", "2027-11-30"]),
        (date(2024, 2, 29), "YEARLY", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
    ],
)
def test_a_month_without_such_a_day_takes_its_last_and_shortens_no_other(starts_on: date, rhythm: Rhythm, expected: list[str]) -> None:
    assert series(starts_on, rhythm, len(expected)) == expected


@given(days, rhythms, st.integers(0, 400))
def test_the_next_day_is_the_first_of_the_series_after_a_day(starts_on: date, rhythm: Rhythm, later: int) -> None:
    day = starts_on + timedelta(days=later - 30)
    following = next_after(starts_on, rhythm, day)
    brute_force = next(found for number in range(100) if (found := occurrence(starts_on, rhythm, number)) > day)
    assert following == brute_force


@given(days, rhythms, st.integers(0, 400))
def test_the_last_day_before_is_what_the_next_one_follows(starts_on: date, rhythm: Rhythm, later: int) -> None:
    day = starts_on + timedelta(days=later)
    earlier = [found for number in range(100) if (found := occurrence(starts_on, rhythm, number)) < day]
    assert last_before(starts_on, rhythm, day) == (earlier[-1] if earlier else None)


@given(days, rhythms)
def test_no_day_of_a_series_is_skipped_or_repeated(starts_on: date, rhythm: Rhythm) -> None:
    walked = [starts_on]
    while len(walked) < 30:
        walked.append(next_after(starts_on, rhythm, walked[-1]))
    assert walked == [occurrence(starts_on, rhythm, number) for number in range(30)]
    assert all(one < other for one, other in pairwise(walked))
    assert all(last_before(starts_on, rhythm, other) == one for one, other in pairwise(walked))
