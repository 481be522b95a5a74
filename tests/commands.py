"""Counts what is sent to MongoDB, so that a test can hold that something causes no read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import monitoring

READS = ("find", "aggregate", "count", "distinct")
BY_THE_CLOCK = ("getMore", "ping")
"""The waiting of change streams, and the asking for the database's time."""


class Commands(monitoring.CommandListener):
    """A listener of every client that is made after it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        monitoring.register(self)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.counts[event.command_name] += 1

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """What is sent meanwhile, by its name; what the live engine sends by the clock, and not for anybody, is left out."""
        before, sent = self.counts.copy(), Counter[str]()
        yield sent
        sent.update(self.counts - before)
        for name in BY_THE_CLOCK:
            del sent[name]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note: it was counted when it was sent."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note: it was counted when it was sent."""

    @property
    def reads(self) -> int:
        """How many commands that read were sent so far."""
        return sum(self.counts[name] for name in READS)
