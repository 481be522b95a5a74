"""What a run used of its caller and of the clock."""

from datetime import UTC, date, datetime

import pytest

from resolvers.usage import Sharing, Usage


def test_a_run_is_shared_as_widely_as_the_most_that_it_read_allows() -> None:
    usage = Usage()
    found = [usage.sharing]
    for sharing in (Sharing.ROLE, Sharing.PERSON, Sharing.ROLE):
        usage.reads_caller(sharing)
        found.append(usage.sharing)
    assert found == [Sharing.ACCOUNT, Sharing.ROLE, Sharing.PERSON, Sharing.PERSON]


@pytest.mark.parametrize(
    ("now", "zone", "day", "until"),
    [
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), "UTC", date(2026, 11, 23), datetime(2026, 11, 24, tzinfo=UTC)),
        (datetime(2026, 11, 23, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 11, 24), datetime(2026, 11, 24, 23, 0, tzinfo=UTC)),
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 12, 0, tzinfo=UTC), "Europe/Berlin", date(2026, 10, 25), datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "Pacific/Auckland", date(2026, 11, 23), datetime(2026, 11, 23, 11, 0, tzinfo=UTC)),
    ],
)
def test_today_holds_until_midnight_in_the_accounts_time_zone(now: datetime, zone: str, day: date, until: datetime) -> None:
    usage = Usage()
    assert usage.today(now, zone) == day
    assert usage.until == until


def test_the_earliest_of_several_instants_counts() -> None:
    usage = Usage()
    usage.holds_until(datetime(2026, 1, 2, tzinfo=UTC))
    usage.holds_until(datetime(2026, 1, 1, tzinfo=UTC))
    usage.holds_until(datetime(2026, 1, 3, tzinfo=UTC))
    assert usage.until == datetime(2026, 1, 1, tzinfo=UTC)
