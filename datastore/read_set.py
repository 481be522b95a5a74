"""What a run read: the rows it saw, the parts of indexes it scanned, and the columns it used.

While nothing in it changes, neither can the result of the run: `datastore/matching.py` holds the rule, docs/decisions/0003 the argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """The keys `[low, high)` of one index, in the encoding of `datastore/keys.py`, over all its stored keys (owner and `_id` included).

    Of an index over a list, only the rows whose list has all of `also` too were read.
    """

    table: str
    index: str
    low: bytes
    high: bytes
    also: tuple[str, ...] = ()


@dataclass(slots=True)
class ReadSet:
    """What one run has read so far. Ids need no table beside them: their prefix names it."""

    seen: set[str] = field(default_factory=set)
    """The ids of all rows that were read, and those asked for and not found."""

    intervals: set[Interval] = field(default_factory=set)
    """What was scanned: up to and including the last key read, no further."""

    whole: set[str] = field(default_factory=set)
    """The tables whose rows the run read for itself: any column may have mattered."""

    shown: set[str] = field(default_factory=set)
    """The tables whose rows it read only to hand them to the client."""

    selected: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """What the client selected of the rows handed to it, by table; None: every column, a table that is missing: none."""

    def columns_used(self, table: str) -> frozenset[str] | None:
        """The columns of a table's rows that the result rests on, beside the keys of what was scanned; None: all."""
        if table in self.whole or table not in self.shown:
            return None
        return self.selected.get(table, frozenset())

    def saw(self, id: str) -> None:
        """Record a row that was read, or an id that was asked for and not found."""
        self.seen.add(id)

    def scanned(self, interval: Interval) -> None:
        """Record a part of an index that was scanned, whether or not rows were in it."""
        self.intervals.add(interval)
