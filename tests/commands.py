"""Counts what is sent to MongoDB, so that a test can hold that something causes no read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import monitoring

READS = ("find", "aggregate", "count", "distinct")


class Commands(monitoring.CommandListener):
    """A listener of every client that is made after it. The waiting of change streams (`getMore`) is not counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        monitoring.register(self)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.counts[event.command_name] += 1

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """What is sent meanwhile, by its name; the waiting of change streams left out."""
        before, sent = self.counts.copy(), Counter[str]()
        yield sent
        sent.update(self.counts - before)
        del sent["getMore"]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note: it was counted when it was sent."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note: it was counted when it was sent."""

    @property
    def reads(self) -> int:
        """How many commands that read were sent so far."""
        return sum(self.counts[name] for name in READS)
