"""A change stream read on a thread of its own, a little ahead of whoever follows it.

Motor has a thread of its pool ask the server once, for each answer, and wakes the loop when it has come: two wakes, and a thread of the
few that the pool has is taken while the server holds the request. A thread that does nothing else waits for the answers where they come
in, which costs a third less of the processor for each, and takes nobody's thread.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from datastore.database import Document

T = TypeVar("T")

_AHEAD: Final = 2
"""How many answers may wait to be taken: 16 MB each at the very most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer of the server holds, and the resume token behind it."""

    events: list[Document]
    token: Mapping[str, Any] | None


class Tail:
    """The answers to one open change stream of the driver below Motor, from now on. Made and used in the event loop."""

    def __init__(self, stream: Any) -> None:
        self.ended = asyncio.Event()
        """Set when the thread asks for nothing any more."""
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._answers: deque[Answer] = deque()
        self._error: Exception | None = None
        self._came = asyncio.Event()
        self._room = threading.Semaphore(_AHEAD)
        self._closed = False
        # A daemon: a server that has fallen silent must not keep the process from ending.
        threading.Thread(target=self._read, name="change-stream", daemon=True).start()

    async def next(self) -> Answer | None:
        """The next answer, or None when there is none to come. Raises what the driver raised. A call that is cancelled loses nothing."""
        while not (self._answers or self._closed or self.ended.is_set()):
            self._came.clear()
            await self._came.wait()
        if self._closed:
            return None
        if self._answers:
            self._room.release()
            return self._answers.popleft()
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Has nothing more given out, and the thread end when the request that is under way does. May be repeated."""
        self._closed = True
        self._came.set()
        self._room.release()

    def _read(self) -> None:
        """The thread."""
        error = None
        try:
            while self._room.acquire() and not self._closed and (answer := self._request()) is not None:
                self._tell(self._take, answer)
        except Exception as failure:  # noqa: BLE001  raised again where the answer is awaited
            error = failure
        self._tell(self._end, error)

    def _request(self) -> Answer | None:
        """One answer of the server; None where the stream has ended."""
        event = self._stream.try_next()
        if event is None:
            return Answer([], self._stream.resume_token) if self._stream.alive else None
        events = [event]
        # Only the driver's own cursor knows whether the answer holds more; asking for one more would wait where it does not.
        while self._stream._cursor._has_next():  # noqa: SLF001  The driver offers no public way; tests hold that this one works.
            events.append(self._stream.try_next())
        return Answer(events, self._stream.resume_token)

    def _tell(self, whom: Callable[[T], None], what: T) -> None:
        with suppress(RuntimeError):  # The loop has been closed: nobody is left to be told.
            self._loop.call_soon_threadsafe(whom, what)

    def _take(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._came.set()

    def _end(self, error: Exception | None) -> None:
        self._error = error
        self.ended.set()
        self._came.set()
