import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from datastore.database import Database
from datastore.jobs import JobQueue
from resolvers.functions import Kind, Marking, MutationContext
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.workers import Worker
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.jobs import work_off
from tests.resolvers.errands import Diary, job_of, run_errand, schedule, wait_errand

HOUR = timedelta(hours=1)


async def test_many_workers_at_once_do_everything_once(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    ids = {await schedule(api, owner, run_errand, {"what": str(number)}) for number in range(30)}
    workers = [Worker(services, slots=3) for _ in range(5)]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(worker.work_off() for worker in workers))
    assert sorted(entry[0] for entry in diary.entries) == sorted(ids)
    assert {entry[1] for entry in diary.entries} == {1}


async def test_what_is_for_later_waits_for_its_time(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    at = services.clock() + HOUR

    async def body(ctx: MutationContext) -> dict[str, str]:
        return {"id": (await ctx.schedule(run_errand, {"what": "later"}, at=at)).id}

    made = await Run(services, await api.scope_of(owner)).mutate(body, Marking(Kind.MUTATION), {}, "test")
    await work_off(services, until=at - timedelta(milliseconds=1))
    assert diary.entries == []
    await work_off(services, until=at)
    assert diary.entries == [(made["id"], 1, "later")]


async def test_the_timer_wakes_a_worker_that_hears_nothing(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    soon = replace(services, clock=lambda: services.clock() - timedelta(seconds=0.3))
    await schedule(api, owner, run_errand, {"what": "soon"})
    worker = Worker(soon, slots=1)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(LIMIT_SECONDS):
        while not diary.entries:
            await asyncio.sleep(0.01)
    assert [entry[1:] for entry in diary.entries] == [(1, "soon")]
    await worker.stop(1.0)
    await running


async def test_one_process_does_no_more_of_a_kind_at_once_than_it_may(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    for _ in range(4):
        await schedule(api, owner, wait_errand, {})
    behind = await schedule(api, owner, run_errand, {"what": "behind them"})
    working = asyncio.create_task(Worker(services, slots=8).work_off())
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(diary.entries) < 3 or not any(entry[0] == behind for entry in diary.entries):
            await asyncio.sleep(0.01)
        assert sorted(entry[2] for entry in diary.entries) == ["behind them", "wait", "wait"]
        diary.going_on.set()
        await working
    assert [entry[2] for entry in diary.entries[3:]] == ["wait", "wait"]


async def test_a_worker_that_stalls_beyond_its_lease_is_taken_over_and_notices(
    api: Api, owner: Person, services: Services, database: Database, diary: Diary
) -> None:
    id = await schedule(api, owner, wait_errand, {})
    stalled = asyncio.create_task(Worker(services, slots=1, lease_seconds=0.3).run())
    async with asyncio.timeout(LIMIT_SECONDS):
        while not diary.entries:
            await asyncio.sleep(0.01)
    taken = await JobQueue(database, "other", HOUR).claim(["waitErrand"], services.clock() + HOUR)
    assert taken is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        while any(task.get_name() == "action waitErrand" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], taken.attempt) == ("RUNNING", 1, 2)
    stalled.cancel()
    await asyncio.wait([stalled])


@pytest.mark.slow
async def test_a_heartbeat_keeps_what_takes_longer_than_a_lease(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, wait_errand, {})
    workers = [Worker(services, slots=1, lease_seconds=0.3) for _ in range(2)]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    async with asyncio.timeout(LIMIT_SECONDS):
        begun = services.clock()
        while services.clock() - begun < timedelta(seconds=1):
            await asyncio.sleep(0.05)
        diary.going_on.set()
        while (await job_of(api, owner, id))["status"] != "SUCCEEDED":
            await asyncio.sleep(0.01)
    for worker in workers:
        await worker.stop(1.0)
    await asyncio.wait(running)
    assert diary.entries == [(id, 1, "wait")]
