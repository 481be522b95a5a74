"""What goes wrong around the engine during a soak: streams killed from either side, slow servers, a server that lags behind.

MongoDB's own fail points (https://github.com/mongodb/mongo/wiki/The-%22failCommand%22-fail-point) need a server with
`enableTestCommands`; they strike the application's connections alone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any

from datastore.database import Database, Document, timestamp_of
from datastore.versions import Version
from tests.live.shops import World

LAG_SECONDS = 1

Disturbance = Callable[[World, Random], Awaitable[object]]


async def close_the_stream(world: World, _random: Random) -> None:
    """The stream ends under the engine's hands."""
    await world.api.engine._stream.close()


async def kill_the_cursor(world: World, _random: Random) -> None:
    """An operator kills the stream's cursor: the driver resumes by itself."""
    stages = [{"$currentOp": {"idleCursors": True}}, {"$match": {"ns": f"{world.driver.name}.$cmd.aggregate", "cursor": {"$exists": True}}}]
    async with await world.driver.client.admin.aggregate(stages) as operations:
        cursors = [operation["cursor"]["cursorId"] async for operation in operations]
    await world.driver.command({"killCursors": "$cmd.aggregate", "cursors": cursors})


async def lose_the_history(world: World, random: Random) -> None:
    """The server answers the stream's next request with an error from which no stream resumes."""
    code = random.choice((286, 280, 10334))  # ChangeStreamHistoryLost, ChangeStreamFatalError, BSONObjectTooLarge
    await _fail(world, {"times": 1}, failCommands=["getMore"], errorCode=code)


async def cut_the_connection(world: World, _random: Random) -> None:
    """The connection of the stream's next request is closed."""
    await _fail(world, {"times": 1}, failCommands=["getMore"], closeConnection=True)


async def slow_the_reads(world: World, random: Random) -> None:
    """Some reads take long, so that much is written during a run."""
    how = {"failCommands": ["find", "aggregate"], "blockConnection": True, "blockTimeMS": random.choice((5, 20, 50))}
    await _fail(world, {"activationProbability": 0.4}, **how)


async def slow_all_reads(world: World, _random: Random) -> None:
    """Every read takes a little long."""
    await _fail(world, "alwaysOn", failCommands=["find", "aggregate"], blockConnection=True, blockTimeMS=20)


async def slow_few_reads(world: World, _random: Random) -> None:
    """A few reads take long, so that of what begins at once some ends much later."""
    how = {"failCommands": ["find", "aggregate"], "blockConnection": True, "blockTimeMS": 100}
    await _fail(world, {"activationProbability": 0.2}, **how)


async def slow_the_stream(world: World, random: Random) -> None:
    """Changes are told late."""
    how = {"failCommands": ["getMore"], "blockConnection": True, "blockTimeMS": random.choice((20, 100))}
    await _fail(world, "alwaysOn", **how)


DISTURBANCES: dict[Disturbance, int] = {
    close_the_stream: 3,
    kill_the_cursor: 2,
    lose_the_history: 2,
    cut_the_connection: 1,
    slow_the_reads: 4,
    slow_the_stream: 4,
}
"""Each kind of disturbance, and how often it is chosen."""


async def disturb(world: World, random: Random) -> None:
    """One random disturbance."""
    [kind] = random.choices(list(DISTURBANCES), list(DISTURBANCES.values()))
    await kind(world, random)


async def calm(world: World) -> None:
    """Ends whatever still disturbs."""
    await world.driver.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@asynccontextmanager
async def disturbances_ending(world: World) -> AsyncIterator[None]:
    """Leaves the server as it was."""
    try:
        yield
    finally:
        await calm(world)


@contextmanager
def lagging_reads(world: World, random: Random, share: float = 0.2) -> Iterator[None]:
    """Some snapshots that the server chooses are a second old, as a newly elected primary may choose them.

    None is older than the world: collections and indexes were made just before it. Reads of sessions are left alone: who is signed in is
    not what is tested here.
    """
    read = Database.read

    async def read_late(self: Database, command: Mapping[str, Any]) -> Document:
        concern = command.get("readConcern", {})
        newest = concern.get("level") == "snapshot" and "atClusterTime" not in concern
        if newest and command.get("find") != "sessions" and random.random() < share:
            late = max(Version((await self.ping()) - (LAG_SECONDS << 32)), world.opened)
            return await read(self, {**command, "readConcern": {**concern, "atClusterTime": timestamp_of(late)}})
        return await read(self, command)

    Database.read = read_late  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.read = read  # type: ignore[method-assign]


async def _fail(world: World, mode: dict[str, Any] | str, **how: Any) -> None:
    await world.driver.client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": {"appName": "tillstream", **how}})
