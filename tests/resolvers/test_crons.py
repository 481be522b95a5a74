import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from datastore.database import Database
from datastore.errors import UnavailableError
from datastore.jobs import JobQueue
from resolvers.attempts import Attempt, Interruption
from resolvers.crons import CRONS, Cron, CronContext, cron
from resolvers.services import Services
from resolvers.workers import Worker
from tests.jobs import work_off

NOON = datetime(2027, 2, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

ran: list[datetime] = []
failures: list[Exception] = []


async def chime(ctx: CronContext) -> None:
    """Notes when it ran, and fails as it is told."""
    ran.append(ctx.now())
    await asyncio.sleep(0)
    if failures:
        raise failures.pop()


@pytest.fixture(autouse=True)
def chiming(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The only cron is `chime`, every hour."""
    ran.clear()
    failures.clear()
    with monkeypatch.context() as patch:
        for kind in tuple(CRONS):
            patch.delitem(CRONS, kind)
        patch.setitem(CRONS, "cron:chime", Cron("cron:chime", chime, HOUR))
        yield


def test_due_times_are_the_same_for_all_processes() -> None:
    every = Cron("cron:test", chime, timedelta(minutes=5))
    for minute, second in ((0, 0), (0, 1), (4, 59)):
        assert every.after(NOON.replace(minute=minute, second=second)) == NOON.replace(minute=5)


def test_a_cron_runs_once_a_minute_at_most() -> None:
    with pytest.raises(TypeError, match="every 60 seconds"):
        cron(every=59)(chime)
    assert "cron:chime" in CRONS


async def test_one_that_is_stopped_before_its_first_step_is_begun_by_another_worker(services: Services) -> None:
    at_noon = replace(services, clock=lambda: NOON)
    queue = JobQueue(services.database, "stopping", HOUR)
    await queue.plan("cron:chime", NOON, HOUR)
    ticket = await queue.claim(["cron:chime"], NOON)
    assert ticket is not None
    attempt = Attempt(at_noon, queue, ticket)
    attempt.interrupt(Interruption.STOPPED)
    await attempt.run()
    assert ran == []
    await Worker(at_noon, slots=1).work_off()
    assert ran == [NOON]


async def test_a_due_time_is_one_run_however_many_workers_there_are(services: Services) -> None:
    for hour in range(3):
        at_that_hour = replace(services, clock=lambda hour=hour: NOON + hour * HOUR)  # type: ignore[misc]
        await asyncio.gather(*(Worker(at_that_hour, slots=2).work_off() for _ in range(4)))
    assert ran == [NOON, NOON + HOUR, NOON + 2 * HOUR]


async def test_nothing_runs_between_two_due_times(services: Services) -> None:
    for minutes in (0, 1, 59):
        await work_off(services, until=NOON + timedelta(minutes=minutes))
    assert ran == [NOON]


async def test_times_that_were_missed_are_made_up_for_by_one_run(services: Services) -> None:
    for hours in (0.0, 5.5, 5.9, 6.0):
        await work_off(services, until=NOON + hours * HOUR)
    assert ran == [NOON, NOON + 5.5 * HOUR, NOON + 6 * HOUR]


@pytest.mark.parametrize("failure", [UnavailableError("The database is away."), ZeroDivisionError()])
async def test_one_that_failed_is_run_again_soon(services: Services, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    failures.append(failure)
    with caplog.at_level(logging.WARNING):
        await work_off(services, until=NOON)
    assert "cron:chime" in caplog.text
    for seconds in (1, 31, 32):
        await work_off(services, until=NOON + timedelta(seconds=seconds))
    assert ran == [NOON, NOON + timedelta(seconds=31)]
