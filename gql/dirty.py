"""The live operations that are due to run, oldest first, in two lanes.

A change that wakes thousands fills the wide lane, which one worker looks after first; the others take what a narrow change woke first, so
that it does not wait behind the thousands. Nobody idles while either lane has something.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class DirtyQueue(Generic[T]):
    """First in, first out, in each lane."""

    def __init__(self) -> None:
        self._narrow: deque[T] = deque()
        self._wide: deque[T] = deque()
        self._waiting = asyncio.Semaphore(0)

    def __len__(self) -> int:
        return len(self._narrow) + len(self._wide)

    def put(self, item: T, *, wide: bool = False) -> None:
        """Adds to the end of a lane."""
        (self._wide if wide else self._narrow).append(item)
        self._waiting.release()

    async def get(self, *, wide_first: bool) -> T:
        """The oldest of the lane that is preferred, else of the other; waits while both are empty."""
        await self._waiting.acquire()
        preferred, other = (self._wide, self._narrow) if wide_first else (self._narrow, self._wide)
        return (preferred or other).popleft()
