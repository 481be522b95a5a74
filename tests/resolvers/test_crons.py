from datetime import UTC, datetime, timedelta

import pytest

from resolvers.crons import CRONS, Cron, CronContext, cron


async def nothing(ctx: CronContext) -> None:
    del ctx


def test_due_times_are_the_same_for_all_processes() -> None:
    every = Cron("cron:test", nothing, timedelta(minutes=5))
    for minute, second in ((0, 0), (0, 1), (4, 59)):
        assert every.after(datetime(2027, 2, 1, 12, minute, second, tzinfo=UTC)) == datetime(2027, 2, 1, 12, 5, tzinfo=UTC)


def test_a_cron_runs_once_a_minute_at_most() -> None:
    with pytest.raises(TypeError, match="every 60 seconds"):
        cron(every=59)
    assert "cron:nothing" not in CRONS
