"""The newest changes, kept for the runs that are under way: what came after a run's snapshot is matched against what it read."""

from collections import deque
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

    def begin(self, floor: Version) -> None:
        """Forgets everything: a fresh stream gives all changes after `floor`, and none before."""
        self._changes.clear()
        self._floor = floor

    def add(self, change: Change) -> None:
        """Keeps the next change of the stream, and forgets the oldest where it is full."""
        self._changes.append(change)
        if len(self._changes) > self._most:
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
