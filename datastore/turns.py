"""Waiting in line, inside one process: who would only collide in the database goes one after the other.

Nothing rests on it. Two processes still collide, and transactions that do are run again; a turn only spares them that most of the time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from datastore.errors import UnavailableError

PATIENCE_SECONDS: Final = 20.0
"""How long somebody waits in line."""


class Turns:
    """Lines of waiters, one for each key, first come first served. A key that nobody holds takes no memory."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """How many keys are held."""
        return len(self._lines)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Hold a key as long as the block runs. Raises UnavailableError where those before take longer than `patience` seconds."""
        if key in self._lines:
            await self._wait(key, self._lines[key])
        else:
            self._lines[key] = deque()
        try:
            yield
        finally:
            self._pass_on(key)

    async def _wait(self, key: Hashable, line: deque[asyncio.Future[None]]) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(called)
        try:
            async with asyncio.timeout(self._patience):
                await called
        except BaseException as error:
            if called.done() and not called.cancelled():  # called at the very moment of giving up
                self._pass_on(key)
            elif called in line:
                line.remove(called)
            if isinstance(error, TimeoutError):
                raise UnavailableError("Too many are changing the same rows just now; nothing was changed. Try again.") from None
            raise

    def _pass_on(self, key: Hashable) -> None:
        line = self._lines[key]
        while line:
            called = line.popleft()
            if not called.done():
                called.set_result(None)
                return
        del self._lines[key]
