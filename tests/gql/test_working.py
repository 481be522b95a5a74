"""The worker in a process: woken, ready, stopped, and killed."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.settings import Settings, environment_of
from gql import working
from gql.app import create_app
from gql.service import GraphQLService
from gql.working import Working, listen, open_worker
from resolvers.services import Services
from resolvers.workers import Worker
from tests.datastore.failpoints import failing
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.gql.lone_worker import note_errand
from tests.resolvers.errands import Diary, job_of, new_diary, run_errand, schedule, wait_errand

ROOT = Path(__file__).parents[2]


@pytest.fixture
def diary() -> Diary:
    """What is done."""
    return new_diary()


@pytest.fixture
async def owner(api: Api) -> Person:
    """Somebody with a business."""
    return await api.sign_up()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


async def until_status(api: Api, owner: Person, id: str, status: str) -> Any:
    async with asyncio.timeout(3 * LIMIT_SECONDS):
        while (job := await job_of(api, owner, id))["status"] != status:
            await asyncio.sleep(0.01)
    return job


@asynccontextmanager
async def worker_of(services: Services, service: GraphQLService) -> AsyncIterator[Working]:
    async with open_worker(services, service) as working:
        assert working is not None
        yield working


async def test_what_is_scheduled_begins_at_once_although_nobody_polls(
    api: Api, owner: Person, service: GraphQLService, services: Services, diary: Diary
) -> None:
    async with worker_of(services, service):
        for number in range(3):
            begun = time.monotonic()
            id = await schedule(api, owner, run_errand, {"what": str(number)})
            await until_status(api, owner, id, "SUCCEEDED")
            assert time.monotonic() - begun < 5
    assert [entry[1:] for entry in diary.entries] == [(1, "0"), (1, "1"), (1, "2")]


async def test_a_server_without_slots_leaves_jobs_to_others(service: GraphQLService, services: Services) -> None:
    idle = replace(services, settings=services.settings.model_copy(update={"job_slots": 0}))
    async with open_worker(idle, service) as none:
        assert none is None


async def test_what_takes_too_long_to_stop_is_given_back_and_begun_elsewhere(
    api: Api, owner: Person, service: GraphQLService, services: Services, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "GRACE_SECONDS", 0.05)
    async with worker_of(services, service):
        id = await schedule(api, owner, wait_errand, {})
        await until(lambda: diary.entries != [])
    job = await job_of(api, owner, id)
    assert (job["status"], job["error"]) == ("QUEUED", None)
    diary.going_on.set()
    async with worker_of(services, service):
        await until_status(api, owner, id, "SUCCEEDED")
    assert [entry[:2] for entry in diary.entries] == [(id, 1), (id, 2)]
    assert "worker" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_what_is_nearly_done_is_finished_before_it_stops(
    api: Api, owner: Person, service: GraphQLService, services: Services, diary: Diary
) -> None:
    async with worker_of(services, service) as running:
        id = await schedule(api, owner, wait_errand, {})
        await until(lambda: diary.entries != [])
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0)
        diary.going_on.set()
        await stopping
    assert (await job_of(api, owner, id))["status"] == "SUCCEEDED"


async def test_it_goes_on_when_the_database_was_away(
    api: Api,
    owner: Person,
    service: GraphQLService,
    services: Services,
    diary: Diary,
    mongod: MongoServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resolvers.workers.RETRY_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING):
        async with failing(mongod.uri, "findAndModify"), worker_of(services, service) as running:
            id = await schedule(api, owner, run_errand, {"what": "wait"})
            await until(lambda: "no jobs are taken" in caplog.text)
            assert running.alive
        async with worker_of(services, service):
            await until_status(api, owner, id, "SUCCEEDED")
    assert diary.entries == [(id, 1, "wait")]


async def test_one_that_has_died_takes_the_readiness_of_the_process_with_it(
    service: GraphQLService, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    nothing: Any = None
    broken = replace(services, clock=nothing)
    async with worker_of(broken, service) as running:
        app = create_app(service, services, {"worker": lambda: running.alive})
        with caplog.at_level(logging.ERROR):
            await until(lambda: not running.alive)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://till") as client:
            response = await client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["worker"]) == (503, False)
    assert "no longer ready" in caplog.text


async def test_a_worker_alone_hears_a_stream_of_its_own(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    alone = Working(Worker(services, slots=2))
    listening = asyncio.create_task(listen(services.database, alone.worker))
    id = await schedule(api, owner, run_errand, {"what": "alone"})
    job = await until_status(api, owner, id, "SUCCEEDED")
    assert (job["attempts"], [entry[1:] for entry in diary.entries]) == (1, [(1, "alone")])
    listening.cancel()
    await asyncio.wait([listening])
    await alone.stop()


@asynccontextmanager
async def killable(settings: Settings, lease: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that works."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.gql.lone_worker", str(lease)),
        cwd=ROOT,
        env=environment_of(settings),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.slow
async def test_the_command_works_until_it_is_told_to_stop(database: Database, settings: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", "worker"), cwd=ROOT, env=environment_of(settings), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        line = b""
        while b"carrying out jobs" not in line:
            line = await process.stderr.readline()
            assert line
        process.send_signal(signal.SIGTERM)
        rest = (await process.communicate())[1].decode()
    assert (process.returncode, "Traceback" in rest) == (0, False), rest


@pytest.mark.slow
async def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    api: Api, owner: Person, services: Services, settings: Settings, tmp_path: Path
) -> None:
    id = await schedule(api, owner, note_errand, {"folder": str(tmp_path)})
    async with killable(settings, 1.0) as first:
        async with asyncio.timeout(30):
            while not (tmp_path / f"{id}.1").exists():
                await asyncio.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert (await job_of(api, owner, id))["status"] == "RUNNING"
    (tmp_path / "go").touch()
    async with killable(settings, 1.0):
        job = await until_status(api, owner, id, "SUCCEEDED")
    assert job["attempts"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{id}.1", f"{id}.2", "go"])
