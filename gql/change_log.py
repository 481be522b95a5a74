"""The newest changes, kept for the runs that are under way: what came after a run's snapshot is matched against what it read.

What no run under way can ask for is not kept: a change holds its row, and 20,000 of them were 60 MiB.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from datastore.changes import Change
from datastore.matching import touches
from datastore.read_set import ReadSet
from datastore.versions import BEGINNING, Version

MOST_CHANGES: Final = 20_000


class ChangeLog:
    """Bounded: a run that outlasts it must run again."""

    def __init__(self, most: int = MOST_CHANGES) -> None:
        self._most = most
        self._changes: deque[Change] = deque()
        self._floor = BEGINNING
        """The log holds every change after this."""
        self._needed: list[Version] = []
        """The changes after each of these are asked for yet."""

    def begin(self, floor: Version) -> None:
        """Forgets everything: a fresh stream gives all changes after `floor`, and none before."""
        self._changes.clear()
        self._floor = floor

    @property
    def kept(self) -> int:
        """How many changes the log holds."""
        return len(self._changes)

    @contextmanager
    def keeping(self, since: Version) -> Iterator[None]:
        """For a run that reads at `since` or later: keeps what changes after that while the context lasts, up to the log's bound."""
        self._needed.append(since)
        try:
            yield
        finally:
            self._needed.remove(since)
            self._forget()

    def add(self, change: Change) -> None:
        """Keeps the next change of the stream where a run may ask for it, and forgets the oldest where the log is full."""
        self._changes.append(change)
        if not self._needed or len(self._changes) > self._most:
            self._floor = self._changes.popleft().time

    def _forget(self) -> None:
        oldest = min(self._needed, default=None)
        while self._changes and (oldest is None or self._changes[0].time <= oldest):
            self._floor = self._changes.popleft().time

    def may_have_changed(self, version: Version, read_set: ReadSet) -> bool:
        """Whether a change after `version` touches what was read at it, or the log does not reach back so far."""
        if version < self._floor:
            return True
        for change in reversed(self._changes):
            if change.time <= version:
                return False
            if touches(read_set, change):
                return True
        return False
