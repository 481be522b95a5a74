"""The feed of changes of one process: the one shared stream, handed out by account, and catching up for who was not there.

A follower listens: what the stream brings for its account is put into a buffer. Whatever is before that it reads from the database, in
stretches, by a stream of its own that is closed again before it is given the first change of the stretch: a few of these at once serve all.
The buffer is begun before the stretch is read, so that there is no gap between the two, and what is in both is left out. A buffer that is
full, or whose stream was lost, is drained and then caught up with: nothing is lost, and memory is bounded, however slowly somebody reads.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from datastore.changes import Change
from datastore.database import Database
from datastore.errors import InvalidInputError, TillstreamError, UnavailableError
from datastore.feed import Position, Stretch, catch_up, end_of, operation_of, position_of, without_row
from datastore.scope import Scope
from datastore.versions import BEGINNING, Version

BUFFERED_CHANGES: Final = 500
CATCHING_UP: Final = 2
"""Followers that read from the database at once; each holds one of the driver's few threads meanwhile."""
START_SECONDS: Final = 10.0

_START: Final = Position(BEGINNING, "")


class Follower:
    """One who follows the changes of an account."""

    __slots__ = ("_buffer", "_error", "_waiter", "account_id", "counted_as", "listening", "reached", "session_id")

    def __init__(self, scope: Scope) -> None:
        self.account_id = scope.account_id
        self.session_id = scope.session_id
        self.counted_as: str | None = scope.user_id
        self.listening = False
        """Whether the buffer goes on at its end."""
        self.reached = _START
        """How far the stream had come when the buffer was ended."""
        self._buffer: deque[Change] = deque()
        self._error: TillstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def listen(self) -> None:
        """Begins a new buffer."""
        self.discard()
        self.listening = True

    def offer(self, change: Change) -> bool:
        """Puts a change into the buffer; false where it is full."""
        if len(self._buffer) >= BUFFERED_CHANGES:
            return False
        self._buffer.append(change)
        self._wake()
        return True

    def discard(self) -> None:
        """Empties the buffer."""
        self._buffer.clear()

    def end_buffer(self, reached: Position) -> None:
        """Says that nothing more is put into the buffer."""
        self.listening = False
        self.reached = reached
        self._wake()

    def end(self, error: TillstreamError) -> None:
        """Ends the following: what was not yet taken is dropped, for the caller's rights to it are gone."""
        self.discard()
        self._error = error
        self._wake()

    def check(self) -> None:
        """Raises the error that the following was ended with, if it was."""
        if self._error is not None:
            raise self._error

    async def next(self) -> Change | None:
        """The next change of the buffer; None where it has ended."""
        while True:
            self.check()
            if self._buffer:
                return self._buffer.popleft()
            if not self.listening:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Feed:
    """All followers of one process. The live engine, whose stream it is, calls `begin` and `take`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, set[Follower]] = {}
        self._taken = _START
        self._begun = asyncio.Event()
        self._catching_up = asyncio.Semaphore(CATCHING_UP)

    def begin(self, version: Version) -> None:
        """A fresh stream, which misses nothing after `version`: whatever was between the last one and this must be caught up with."""
        for listeners in tuple(self._listeners.values()):
            for follower in tuple(listeners):
                self._end_buffer(follower, self._taken)
        self._taken = end_of(version)
        self._begun.set()

    def take(self, changes: Iterable[Change]) -> None:
        """The next changes of the stream."""
        for change in changes:
            self._taken = position_of(change)
            listeners = self._listeners.get(change.owner or "")
            if listeners and operation_of(change) is not None:
                kept = without_row(change)
                for follower in tuple(listeners):
                    if not follower.offer(kept):
                        self._end_buffer(follower, _START)

    @property
    def listening(self) -> int:
        """How many followers have caught up and are handed what the stream brings."""
        return sum(map(len, self._listeners.values()))

    async def follow(self, follower: Follower, after: Position | None) -> AsyncGenerator[Change, None]:
        """The changes of the follower's account behind a position, or from now on, each once and in order.

        Raises ConflictError where the position is too old, InvalidInputError where it is not reached yet, UnavailableError where the
        database does not answer, and whatever error the follower is ended with.
        """
        await self._until_begun()
        if after is not None and after > self._taken and after.time > await self._database.ping():
            raise InvalidInputError.of("after", "a version that this deployment has not come to")
        position = after
        try:
            while True:
                begun_at = self._listen(follower)
                position = begun_at if position is None else position
                if position < begun_at:
                    stretch = await self._read(follower, position, begun_at)
                    for change in stretch.changes:
                        follower.check()
                        yield change
                    position = stretch.reached
                while (change_now := await follower.next()) is not None:
                    if position_of(change_now) > position:
                        position = position_of(change_now)
                        yield change_now
                position = max(position, follower.reached)
        finally:
            self._end_buffer(follower, _START)

    async def _read(self, follower: Follower, after: Position, begun_at: Position) -> Stretch:
        async with self._catching_up:
            stretch = await catch_up(self._database, follower.account_id, after, begun_at.time)
        if not stretch.complete:
            # There is more to be read than the buffer knows of, so it is begun again before the next stretch.
            self._end_buffer(follower, _START)
            follower.discard()
        return stretch

    async def _until_begun(self) -> None:
        try:
            await asyncio.wait_for(self._begun.wait(), START_SECONDS)
        except TimeoutError:
            raise UnavailableError("Changes can't be followed at the moment; try again.") from None

    def _listen(self, follower: Follower) -> Position:
        follower.listen()
        self._listeners.setdefault(follower.account_id, set()).add(follower)
        return self._taken

    def _end_buffer(self, follower: Follower, reached: Position) -> None:
        listeners = self._listeners.get(follower.account_id)
        if listeners is not None:
            listeners.discard(follower)
            if not listeners:
                del self._listeners[follower.account_id]
        follower.end_buffer(reached)
