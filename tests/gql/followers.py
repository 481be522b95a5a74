"""Following the changes of an account, as a test does it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from gql.wire import Caller, GraphQLParams
from tests.gql.api import LIMIT_SECONDS, Api, Person

FOLLOW = """
subscription ($tables: [ChangedTable!], $after: String) {
  changes(tables: $tables, after: $after) {
    cursor table operation id changedFields version at
    node { __typename id ... on ProductCategory { name } ... on Product { name stock } }
  }
}
"""
Change = dict[str, Any]


class Followed:
    """One who follows, and all it was sent."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.ended = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._came = asyncio.Condition()

    @property
    def changes(self) -> list[Change]:
        """The changes, in the order they came."""
        return [result["data"]["changes"] for result in self.results if "data" in result]

    @property
    def told(self) -> list[tuple[str, str]]:
        """What became of which row."""
        return [(change["operation"], change["id"]) for change in self.changes]

    @property
    def error(self) -> str:
        """The code that it ended with."""
        code: str = self.results[-1]["errors"][0]["extensions"]["code"]
        return code

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until the condition holds after something came."""
        async with asyncio.timeout(LIMIT_SECONDS), self._came:
            await self._came.wait_for(lambda: condition() or self.ended)
        assert condition(), self.results[-1:]

    async def count(self, number: int) -> list[Change]:
        """The changes, once there are so many."""
        await self.until(lambda: len(self.changes) >= number)
        return self.changes

    async def end(self) -> str:
        """The code of the error that it ends with."""
        await self.until(lambda: self.ended)
        return self.error

    async def take(self, result: dict[str, Any] | None) -> None:
        """Notes a result; None is the end."""
        async with self._came:
            if result is None:
                self.ended = True
            else:
                self.results.append(result)
            self._came.notify_all()


@asynccontextmanager
async def following(
    api: Api, caller: Person | None, *, tables: list[str] | None = None, after: str | None = None, query: str = FOLLOW
) -> AsyncIterator[Followed]:
    """Follows while the context lasts. With `reading` cleared, nothing more is asked for, as by a client that reads nothing."""
    params = GraphQLParams(query, {"tables": tables, "after": after} if query == FOLLOW else None)
    payloads = api.service.subscribe(api.service.prepare(params), params, Caller(await api.scope_of(caller), "test"))
    followed = Followed()

    async def follow() -> None:
        async for payload in payloads:
            await followed.take(orjson.loads(payload.body))
            await followed.reading.wait()
        await followed.take(None)

    task = asyncio.create_task(follow())
    try:
        yield followed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await payloads.aclose()


async def caught_up(api: Api, followers: int = 1) -> None:
    """Waits until so many have caught up, and hear of what happens from now on."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while api.service.feed.listening != followers:
            await asyncio.sleep(0.002)
