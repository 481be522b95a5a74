"""Waiting in line, inside one process: who would only collide in the database goes one after the other, or several go together.

Nothing rests on it. Two processes still collide, and transactions that do are run again; a turn only spares them that most of the time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from datastore.errors import UnavailableError

W = TypeVar("W")
R = TypeVar("R")

PATIENCE_SECONDS: Final = 20.0
"""How long somebody waits in line."""

MOST_TOGETHER: Final = 32
"""Errands that are carried out in one turn."""


@dataclass(eq=False, slots=True)
class Errand(Generic[W, R]):
    """Work that may as well be done by whoever is ahead in line, and what came of it."""

    work: W
    outcome: asyncio.Future[R]

    def succeed(self, result: R) -> None:
        """Hand over the result, if anybody still waits for it."""
        if not self.outcome.done():
            self.outcome.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Have `error` raised where the errand came from, if anybody still waits for it."""
        if not self.outcome.done():
            self.outcome.set_exception(error)
            self.outcome.exception()  # who waited may be cancelled in this very moment: that is no reason for a warning


@dataclass(eq=False, slots=True)
class _Place:
    """One who waits. `called` becomes true when the turn has come, false when somebody ahead has taken the errand over."""

    errand: Errand[Any, Any] | None
    called: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """Lines of waiters, one for each key, first come first served. A key that nobody holds takes no memory."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._lines: dict[Hashable, deque[_Place]] = {}

    def __len__(self) -> int:
        """How many keys are held."""
        return len(self._lines)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Hold a key as long as the block runs. Raises UnavailableError where those before take longer than `patience` seconds."""
        await self._wait(key, _Place(None))
        try:
            yield
        finally:
            self._pass_on(key)

    async def together(self, key: Hashable, work: W, carry_out: Callable[[Sequence[Errand[W, R]]], Awaitable[None]]) -> R:
        """What comes of some work, done in turn, in one go with the work of those that wait right behind.

        Whoever's turn it is calls `carry_out` with his own errand and theirs, at most `MOST_TOGETHER`; it has to settle every one of them,
        and may not be interrupted where there is more than one. All that wait for a key this way must give it work of one kind. Raises what
        came of the work, and as `turn` does.
        """
        errand = Errand[W, R](work, asyncio.get_running_loop().create_future())
        if await self._wait(key, _Place(errand)):
            try:
                await carry_out([errand, *self._taken_over(key)])
            finally:
                self._pass_on(key)
        return await errand.outcome

    async def _wait(self, key: Hashable, place: _Place) -> bool:
        """Whether the turn has come; else somebody ahead does the errand."""
        if key not in self._lines:
            self._lines[key] = deque()
            return True
        line = self._lines[key]
        line.append(place)
        try:
            async with asyncio.timeout(self._patience):
                return await place.called
        except TimeoutError:
            if place.called.done() and not place.called.cancelled():  # at the very moment that the time was over
                return place.called.result()
            self._give_up(key, line, place)
            raise UnavailableError("Too many are changing the same rows just now; nothing was changed. Try again.") from None
        except BaseException:
            self._give_up(key, line, place)
            raise

    def _give_up(self, key: Hashable, line: deque[_Place], place: _Place) -> None:
        """Leaves the line; who is called at that very moment passes the turn on."""
        if place in line:
            line.remove(place)
        elif place.called.done() and not place.called.cancelled() and place.called.result():
            self._pass_on(key)

    def _taken_over(self, key: Hashable) -> list[Errand[Any, Any]]:
        """The errands right behind the one whose turn it is, which leave the line."""
        line, taken = self._lines[key], list[Errand[Any, Any]]()
        while line and len(taken) < MOST_TOGETHER - 1 and (line[0].errand is not None or line[0].called.done()):
            place = line.popleft()
            if not place.called.done() and place.errand is not None:
                place.called.set_result(False)
                taken.append(place.errand)
        return taken

    def _pass_on(self, key: Hashable) -> None:
        line = self._lines[key]
        while line:
            place = line.popleft()
            if not place.called.done():
                place.called.set_result(True)
                return
        del self._lines[key]
