"""One server, whose change stream ends, stalls or goes wrong in every way that MongoDB has for it.

The fail points are MongoDB's own: https://github.com/mongodb/mongo/wiki/The-%22failCommand%22-fail-point.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from datastore.changes import ChangeStream
from datastore.database import version_from
from datastore.embedded import MongoServer, embedded_mongod
from datastore.migrate import migrate
from datastore.settings import Settings
from tests.faults.crowd import Crowd, Served, is_stale, serving
from tests.faults.replica_set import Node, until

LIVE_OPERATIONS = 20
HISTORY_LOST, TOO_LARGE, TIME_LIMIT = 286, 10334, 262
MIB = 1 << 20

pytestmark = [pytest.mark.faults, pytest.mark.slow]
_databases = (f"streams_{number}" for number in itertools.count(1))


class EmbeddedServer:
    """The embedded mongod, which can be killed and started again on its data."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._life = AsyncExitStack()
        self._server: MongoServer | None = None

    @property
    def server(self) -> MongoServer:
        """As it runs now."""
        assert self._server is not None
        return self._server

    async def start(self) -> None:
        """Starts it, at the address that it had."""
        self._server = await self._life.enter_async_context(embedded_mongod(self._data_dir, parameters={"enableTestCommands": "1"}))

    async def kill(self) -> None:
        """Ends it as a power cut does."""
        os.kill(self.server.pid, signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        """Ends it, if it runs."""
        await self._life.aclose()


@pytest.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """The embedded mongod of this module."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("embedded"))
    await embedded.start()
    yield embedded
    await embedded.stop()


@pytest.fixture
async def driver(embedded: EmbeddedServer) -> AsyncIterator[Any]:
    """The server as somebody with a shell sees it."""
    async with AsyncMongoClient[dict[str, Any]](embedded.server.uri) as client:
        yield client


@pytest.fixture
async def served(embedded: EmbeddedServer, origin: Settings) -> AsyncIterator[Served]:
    """The application on a database of its own."""
    settings = origin.model_copy(update={"mongodb_uri": embedded.server.uri, "mongodb_database": next(_databases)})
    async with serving(settings) as served:
        yield served


@pytest.fixture
async def crowd(served: Served) -> Crowd:
    """Two businesses."""
    crowd = Crowd(served.api)
    await crowd.open_businesses(2)
    return crowd


@asynccontextmanager
async def failing(driver: Any, served: Served, command: str, mode: Any = "alwaysOn", **how: Any) -> AsyncIterator[None]:
    """Fails a command of the application's change stream, and no other, while the context lasts."""
    name = served.api.services.settings.mongodb_database
    data = {"failCommands": [command], "appName": "tillstream", "namespace": f"{name}.$cmd.aggregate", **how}
    await driver.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
    try:
        yield
    finally:
        await driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


async def test_a_server_that_is_killed_and_restarted_loses_nothing_and_nobody_is_silently_stale(
    embedded: EmbeddedServer, served: Served, crowd: Crowd
) -> None:
    async with crowd.watching(LIVE_OPERATIONS):
        async with crowd.writing():
            await crowd.more_writes()
            await embedded.kill()
            await crowd.all_told_that_stale()
            await served.until_ready(False)
            await embedded.start()
            await crowd.more_writes()
        await crowd.check()
        await served.until_ready()
        for view in crowd.views:
            assert sum(map(is_stale, view.watching.results)) == 1, "who was told is not told again"


@pytest.mark.parametrize("code", [HISTORY_LOST, TOO_LARGE])
async def test_a_stream_that_is_lost_again_and_again_is_not_opened_in_a_frenzy_and_nothing_is_missed(
    served: Served, crowd: Crowd, driver: Any, code: int
) -> None:
    counters, loop = served.api.engine.counters, asyncio.get_running_loop()
    async with crowd.watching(LIVE_OPERATIONS):
        async with failing(driver, served, "getMore", errorCode=code):
            before, began = counters.streams_opened, loop.time()
            await until(opened(served, before + 6))
            assert loop.time() - began > 1.5, "each time it should wait longer"
            async with crowd.writing():
                await crowd.more_writes()
        await crowd.check()
        await served.until_ready()


async def test_while_no_stream_can_be_opened_results_say_that_they_may_be_stale(served: Served, crowd: Crowd, driver: Any) -> None:
    async with crowd.watching(LIVE_OPERATIONS):
        async with failing(driver, served, "aggregate", errorCode=HISTORY_LOST):
            await served.api.engine._stream.close()
            async with crowd.writing():
                await crowd.all_told_that_stale()
                await served.until_ready(False)
        await crowd.check()
        await served.until_ready()


async def test_a_stream_that_falls_silent_is_noticed_within_seconds(served: Served, crowd: Crowd, driver: Any) -> None:
    opened_before = served.api.engine.counters.streams_opened
    async with crowd.watching(LIVE_OPERATIONS):
        async with failing(driver, served, "getMore", {"times": 1}, blockConnection=True, blockTimeMS=9_000), asyncio.timeout(10):
            await until(struck(driver))
            async with crowd.writing():
                await crowd.more_writes()
            await crowd.newer_results()
        await crowd.check()
    assert served.api.engine.counters.streams_opened > opened_before


async def test_events_too_large_to_be_told_are_survived_one_after_the_other(served: Served, crowd: Crowd, driver: Any) -> None:
    products = driver[served.api.services.settings.mongodb_database].get_collection("products")
    opened_before = served.api.engine.counters.streams_opened
    async with crowd.watching(LIVE_OPERATIONS):
        await products.insert_one({"_id": "prd_poison", "blob": "0" * (9 * MIB)}, bypass_document_validation=True)
        for turn in range(1, 4):
            # The row and what was set are both in the event: 18 MB.
            await products.update_one({"_id": "prd_poison"}, {"$set": {"blob": str(turn) * (9 * MIB)}}, bypass_document_validation=True)
            await until(opened(served, opened_before + turn))
            async with crowd.writing():
                await crowd.more_writes()
            await crowd.check()
        await products.delete_one({"_id": "prd_poison"})


async def test_of_a_table_that_is_renamed_the_last_results_stay_marked_until_it_is_back(served: Served, crowd: Crowd, driver: Any) -> None:
    name = served.api.services.settings.mongodb_database
    async with crowd.watching(LIVE_OPERATIONS):
        await driver.admin.command({"renameCollection": f"{name}.products", "to": f"{name}.elsewhere"})
        await crowd.all_told_that_stale(about="{ product")
        await driver.admin.command({"renameCollection": f"{name}.elsewhere", "to": f"{name}.products"})
        async with crowd.writing():
            await crowd.more_writes()
        await crowd.check()
        await served.until_ready()


async def test_a_table_that_is_dropped_and_made_anew_is_seen_to_be_empty(served: Served, crowd: Crowd, driver: Any) -> None:
    async with crowd.watching(LIVE_OPERATIONS):
        await driver[served.api.services.settings.mongodb_database].products.drop()
        await crowd.all_told_that_stale(about="{ product")
        await migrate(served.api.services.database)
        for business in crowd.businesses:
            business.stocks.clear()
            await crowd.add_product(business, "New")
        async with crowd.writing():
            await crowd.more_writes()
        await crowd.check()


async def test_a_database_that_is_dropped_ends_what_was_watched_and_serves_whoever_comes_next(
    served: Served, crowd: Crowd, driver: Any
) -> None:
    async with crowd.watching(LIVE_OPERATIONS):
        await driver.drop_database(served.api.services.settings.mongodb_database)
        await crowd.all_told_that_stale()
        await migrate(served.api.services.database)
        for view in crowd.views:
            await view.watching.until(lambda view=view: "errors" in view.watching.last)  # type: ignore[misc]
            [error] = view.watching.last["errors"]
            assert error["extensions"]["code"] == "UNAUTHENTICATED"
    next_crowd = Crowd(served.api)
    await next_crowd.open_businesses(1)
    async with next_crowd.watching(5):
        async with next_crowd.writing():
            await next_crowd.more_writes()
        await next_crowd.check()


async def test_a_quiet_stream_outlives_the_history_that_the_server_keeps(tmp_path: Path, origin: Settings) -> None:
    node = Node("quiet", tmp_path, "quiet", "--syncdelay", "1", "--setParameter", "enableTestCommands=1", oplog_mb=1)
    async with AsyncExitStack() as stack:
        await node.start()
        stack.push_async_callback(node.kill)
        await node.admin({"replSetInitiate": {"_id": "quiet", "members": [{"_id": 0, "host": f"127.0.0.1:{node.port}"}]}}, patience=20)
        uri = f"mongodb://127.0.0.1:{node.port}/?replicaSet=quiet"
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](uri))
        served = await stack.enter_async_context(serving(origin.model_copy(update={"mongodb_uri": uri, "mongodb_database": "quiet"})))
        crowd = Crowd(served.api)
        await crowd.open_businesses(1)
        await stack.enter_async_context(crowd.watching(5))
        engine = served.api.engine
        quiet_since = await served.api.services.database.ping()
        await until(lambda: _history_begins_after(client, quiet_since))
        now = await served.api.services.database.ping()
        await until(lambda: _true(engine._stream.position >= now))
        opened_before = engine.counters.streams_opened
        async with failing(client, served, "getMore", {"times": 1}, errorCode=TIME_LIMIT, errorLabels=["ResumableChangeStreamError"]):
            await until(struck(client))
        async with crowd.writing():
            await crowd.more_writes()
        await crowd.check()
        assert engine.counters.streams_opened == opened_before, "the driver resumed with a token older than the history"


async def test_a_stream_is_never_further_than_the_servers_clock(served: Served) -> None:
    stream = ChangeStream(served.api.services.database)
    await stream.open()
    for _ in range(3):
        assert await stream.poll() == []
        assert stream.position <= await served.api.services.database.ping(), "no snapshot of that moment can be read yet"
    await stream.close()


async def _true(value: bool) -> bool:
    return value


async def _history_begins_after(client: Any, version: int) -> bool:
    """Writes half a megabyte elsewhere, and tells whether the oplog, which keeps what followed the last checkpoint, forgot the moment."""
    await client.elsewhere.rows.insert_one({"blob": "x" * (MIB // 2)})
    oldest = await client.local["oplog.rs"].find_one(sort=[("$natural", 1)])
    return bool(version_from(oldest["ts"]) > version)


def opened(served: Served, count: int) -> Any:
    """Whether so many streams have been opened by now."""
    return lambda: _true(served.api.engine.counters.streams_opened >= count)


def struck(driver: Any) -> Any:
    """Whether the fail point has struck."""

    async def has_struck() -> bool:
        status = await driver.admin.command({"getParameter": 1, "failpoint.failCommand": 1})
        return bool(status["failpoint.failCommand"]["timesEntered"])

    return has_struck
