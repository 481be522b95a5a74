"""100,000 live operations registered in one engine, and changes sent to it: `python -m bench.many_operations URI DATABASE ACCOUNT USER`.

What each operation reads is real: every document below is carried out once for an owner with products in MongoDB, and its outcome made that
of each other owner by putting their ids in place. The engine is the real one; what executes an operation gives it that outcome, and what it
follows is a stream whose changes come from here. Asked `measure`, it watches more owners and answers with microseconds of matching.
"""

import asyncio
import gc
import json
import os
import re
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass, replace
from typing import Any

from bench.processes import resident_bytes
from datastore.changes import Change, ChangeStream
from datastore.database import Database
from datastore.ids import new_id
from datastore.read_set import Interval, ReadSet
from datastore.scope import Scope, grant
from datastore.settings import Settings
from datastore.versions import BEGINNING, Version
from gql.app import open_services
from gql.live import LiveEngine
from gql.live_contracts import Limits, Outcome
from gql.schema import build_schema
from gql.service import GraphQLService, LivePlan
from gql.subscribers import Frame
from gql.wire import GraphQLParams
from resolvers.usage import Sharing

_LISTS = [f"products(first: {first}, orderBy: {order})" for first in (10, 20) for order in ("NAME", "CREATED_AT", "PRICE", "STOCK")]
_FIELDS = [*_LISTS, "products(lowStock: true)"]
DOCUMENTS = [f"subscription {{ live {{ {field} {{ nodes {{ id name price stock }} }} }} }}" for field in _FIELDS]
DOCUMENTS.append("subscription { live { productCategories(first: 20) { nodes { id name productCount } } } }")
CHANGES = 3_000
WRITES = 400
WARM_UP = 500
STRIDE = 7919
"""From one changed owner to the next: far enough that what is near in memory is of no use."""
_ID = re.compile(rb"(?:acc|prd)_[0-9A-Z]{26}")


@dataclass(frozen=True, slots=True)
class Plan:
    """One operation of one owner, with what it will find."""

    shape: Hashable
    account_id: str
    outcome: Outcome
    scope: Scope | None = None

    def key(self, _: Sharing) -> Hashable:
        """Nobody shares it."""
        return self.shape, self.account_id


class Queue:
    """A change stream whose changes are put into it."""

    def __init__(self) -> None:
        self.position = BEGINNING
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    async def open(self) -> Version:
        """It is open always."""
        return self.position

    async def next_batch(self) -> list[Change]:
        """The next change."""
        change = await self._changes.get()
        self.position = change.time
        return [change]

    async def close(self) -> None:
        """There is nothing to close."""

    def put(self, change: Change) -> None:
        """Has it followed."""
        self._changes.put_nowait(change)


class Registered:
    """An engine with as many owners' operations as were asked for."""

    def __init__(self, originals: list[Outcome], owner: str, row: dict[str, Any]) -> None:
        self._originals, self._owner, self._row = originals, owner, row
        self._stream = Queue()
        self._watchers: list[AsyncGenerator[Frame, None]] = []
        self._rows: list[dict[str, Any]] = []
        self._moment = 0
        self.engine: LiveEngine[Plan] = LiveEngine(self._stream, self._execute, _nobody, self._now, Limits(10**7, 10**7))

    async def grow(self, operations: int) -> None:
        """Watches for more owners, until there are so many operations."""
        while len(self._watchers) < operations:
            ids = {self._owner: new_id("acc")}
            outcomes = [_as_of(outcome, ids) for outcome in self._originals]
            self._rows.append(self._row | {"_id": ids[self._row["_id"]], "account_id": ids[self._owner]})
            for shape, outcome in enumerate(outcomes):
                watcher = self.engine.watch(Plan(shape, ids[self._owner], outcome))
                await anext(watcher)
                self._watchers.append(watcher)

    async def measure(self, operations: int, owners: int) -> dict[str, float]:
        """Microseconds of matching for each change of a row on the pages of one owner after the other, of the first so many."""
        await self.grow(operations)
        gc.collect()
        before, microseconds = self.engine.counters.wakes, []
        for number in range(WARM_UP + CHANGES):
            spent = self.engine.counters.matching_seconds
            await self._change(number, owners)
            if number >= WARM_UP:
                microseconds.append((self.engine.counters.matching_seconds - spent) * 1e6)
        wakes = (self.engine.counters.wakes - before) / (WARM_UP + CHANGES)
        figures = {"median": statistics.median(microseconds), "mean": statistics.fmean(microseconds), "wakes": wakes}
        return figures | {"operations": len(self._watchers), "resident": resident_bytes(os.getpid())}

    async def measure_writes(self, database: Database, operations: int, owners: int) -> dict[str, float]:
        """Milliseconds from sending a real write until its event has come and what it touches has run, and how much CPU we had of them."""
        await self.grow(operations)
        gc.collect()
        stream, walls, cpus = ChangeStream(database), [], []
        await stream.open()
        for number in range(WRITES):
            begun, cpu = time.perf_counter(), time.process_time()
            update = {"q": {"_id": self._row["_id"]}, "u": {"$inc": {"stock": 1}}}
            await database.command({"update": "products", "updates": [update], "writeConcern": {"w": "majority", "j": True}})
            await stream.next_batch()
            await self._change(number, owners)
            walls.append((time.perf_counter() - begun) * 1e3)
            cpus.append((time.process_time() - cpu) * 1e3)
        await stream.close()
        return {"wall": statistics.median(walls), "cpu": statistics.median(cpus)}

    async def _change(self, number: int, owners: int) -> None:
        self._moment += 1
        row = self._rows[number * STRIDE % owners] | {"stock": number}
        self._stream.put(Change(Version(self._moment), "products", row["_id"], "update", row, frozenset({"stock", "updated_at"})))
        while self._stream.position < self._moment or self.engine.figures().due:  # noqa: ASYNC110  Each turn of the loop is a step of it
            await asyncio.sleep(0)

    async def _execute(self, plan: Plan, floor: Version) -> Outcome:
        return replace(plan.outcome, version=max(floor, self._stream.position))

    async def _now(self) -> Version:
        return self._stream.position


async def _nobody(_session: str, _floor: Version) -> None:
    return None


def _as_of(outcome: Outcome, ids: dict[str, str]) -> Outcome:
    """The same for another owner: `ids` holds theirs, by the original's, and takes in those of more rows."""

    def theirs(id: str) -> str:
        return ids.setdefault(id, new_id(id[:3]))

    def moved(key: bytes) -> bytes:
        return _ID.sub(lambda found: theirs(found[0].decode()).encode(), key)

    was = outcome.read_set
    intervals = {Interval(one.table, one.index, moved(one.low), moved(one.high)) for one in was.intervals}
    read_set = ReadSet({theirs(id) for id in was.seen}, intervals, was.whole, was.shown, was.selected)
    return replace(outcome, read_set=read_set)


async def originals(uri: str, database: str, account_id: str, user_id: str) -> tuple[list[Outcome], dict[str, Any]]:
    """What each document finds for an owner that has rows, and one of the rows."""
    async with open_services(
        Settings(env="test", mongodb_uri=uri, mongodb_database=database, address_limits=0, max_cost_per_minute=10**12)
    ) as services:
        service = GraphQLService(build_schema(), services)
        scope = grant(account_id, user_id, "OWNER")
        outcomes = []
        for document in DOCUMENTS:
            params = GraphQLParams(document)
            outcomes.append(await service.execute_live(LivePlan.of(service.prepare(params), params, scope), BEGINNING))
        first = {"filter": {"account_id": account_id}, "sort": {"name_key": 1}, "limit": 1}
        reply = await services.database.read({"find": "products", **first})
    return outcomes, reply["cursor"]["firstBatch"][0]


async def main() -> None:
    """Answers requests until the input ends."""
    outcomes, row = await originals(*sys.argv[1:])
    registered = Registered(outcomes, sys.argv[3], row)
    database = await Database.connect(sys.argv[1], sys.argv[2])
    await registered.engine.start()
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        matching = await registered.measure(asked["operations"], asked["owners"])
        writes = await registered.measure_writes(database, asked["operations"], asked["owners"])
        print(json.dumps(matching | writes), flush=True)
    await registered.engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
