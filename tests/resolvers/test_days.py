from datetime import UTC, date, datetime, timedelta

import pytest

from datastore.errors import InvalidInputError
from datastore.paging import UNBOUNDED
from resolvers.days import Days, a_year_after, behind, check_day, check_moment, day_of, start_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_range_of_days_includes_both_and_may_be_open() -> None:
    days = Days.between(date(2026, 1, 1), date(2026, 1, 31))
    assert isinstance(days.low, str)
    assert isinstance(days.high, str)
    assert [day for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01") if days.low <= day < days.high] == [
        "2026-01-01",
        "2026-01-31",
    ]
    assert Days.between(None, None) == Days(UNBOUNDED, UNBOUNDED)
    assert Days.between(date.max, date.max) == Days("9999-12-31", behind("9999-12-31"))


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Days.between(date(2026, 1, 2), date(2026, 1, 1))
    assert [problem.path for problem in caught.value.fields] == ["to"]


@pytest.mark.parametrize(
    ("day", "zone", "start"),
    [
        (date(2026, 11, 24), "UTC", datetime(2026, 11, 24, tzinfo=UTC)),
        (date(2026, 11, 24), "Asia/Kathmandu", datetime(2026, 11, 23, 18, 15, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 10, 25), "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC)),
        (date(2018, 11, 4), "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # clocks went from midnight to one
    ],
)
def test_a_day_begins_at_its_own_midnight(day: date, zone: str, start: datetime) -> None:
    assert start_of(day, zone) == start
    assert day_of(start, zone) == day
    assert day_of(start - timedelta(milliseconds=1), zone) == day - timedelta(days=1)


@pytest.mark.parametrize("moment", [NOW, NOW + timedelta(minutes=5), datetime(2000, 1, 1, tzinfo=UTC)])
def test_a_moment_from_the_year_2000_to_now_is_good(moment: datetime) -> None:
    assert check_moment(moment, NOW, "UTC", "input.soldAt") == moment


@pytest.mark.parametrize("moment", [NOW + timedelta(minutes=5, milliseconds=1), datetime(1999, 12, 31, 23, 59, tzinfo=UTC)])
def test_a_moment_to_come_or_long_ago_is_refused_by_name(moment: datetime) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_moment(moment, NOW, "UTC", "input.soldAt")
    assert [problem.path for problem in caught.value.fields] == ["input.soldAt"]


@pytest.mark.parametrize("zone", ["Pacific/Pago_Pago", "UTC", "Pacific/Kiritimati"])
def test_the_year_2000_begins_at_midnight_of_the_time_zone(zone: str) -> None:
    midnight = start_of(date(2000, 1, 1), zone)
    assert check_moment(midnight, NOW, zone, "input.soldAt") == midnight
    for moment in (midnight - timedelta(milliseconds=1), datetime.min.replace(tzinfo=UTC)):
        with pytest.raises(InvalidInputError):
            check_moment(moment, NOW, zone, "input.soldAt")


def test_a_day_is_stored_as_text_from_the_year_2000_to_the_latest() -> None:
    latest = date(2027, 11, 24)
    assert [check_day(day, latest, "x") for day in (date(2000, 1, 1), latest)] == ["2000-01-01", "2027-11-24"]
    for day in (date(1900, 1, 1), date(1999, 12, 31), date(2027, 11, 25), date(2200, 1, 1)):
        with pytest.raises(InvalidInputError) as caught:
            check_day(day, latest, "input.incurredOn")
        assert [problem.path for problem in caught.value.fields] == ["input.incurredOn"]


def test_a_year_after_a_leap_day_is_the_last_of_february() -> None:
    assert a_year_after(date(2024, 2, 29)) == date(2025, 2, 28)
    assert a_year_after(date(2026, 11, 24)) == date(2027, 11, 24)
