"""Indexes over a list, in which a row stands once for each of the list's texts: its entries, and the intervals that they lie in.

A scan of such an index is of one text, and perhaps of only the rows that have some others too. A row lies in it if one of its entries does
and it has those others.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from datastore.intervals import IntervalTree
from datastore.keys import beyond, encode_value, shared_head, successor
from datastore.read_set import Interval

K = TypeVar("K", bound=Hashable)

MOST_ENTRIES: Final = 1000
"""A row with a longer list, which only a writer that goes around ours stores, is taken to lie anywhere, so that it costs no more."""

_OF_SEVERAL_TEXTS = b""


@dataclass(frozen=True, slots=True)
class Texts:
    """What is in a row's list."""

    encoded: tuple[bytes, ...]
    known: frozenset[str] | None
    """As they are; None: too many to say."""
    complete: bool
    """Whether that is all: no value is of a type that no list of ours holds."""


def texts_of(value: Any) -> Texts:
    """What is in a list; MongoDB takes a value that is no list as a list of it alone."""
    texts = value if isinstance(value, list) else [value]
    if len(texts) > MOST_ENTRIES:
        return Texts((), None, complete=False)
    encoded = []
    for text in texts:
        try:
            encoded.append(encode_value(text))
        except (TypeError, ValueError, OverflowError):
            continue
    known = frozenset(text for text in texts if isinstance(text, str))
    return Texts(tuple(encoded), known, len(encoded) == len(texts))


@dataclass(frozen=True, slots=True)
class Entries:
    """The keys that one row has in one index; of the values before and behind its list, encoded, each with whether that is all of them."""

    head: tuple[bytes, bool]
    texts: Texts
    tail: tuple[bytes, bool]

    @property
    def anywhere(self) -> bool:
        """Whether there may be keys that are not known, anywhere under the head."""
        return not (self.head[1] and self.texts.complete)

    def places(self) -> Iterator[tuple[bytes, bytes]]:
        """The interval of each key alone."""
        if self.anywhere:
            yield self.head[0], beyond(self.head[0])
            return
        for text in self.texts.encoded:
            yield self.place(text)

    def place(self, text: bytes) -> tuple[bytes, bytes]:
        """The interval of the key that the row has for one of its texts."""
        values, complete = self.tail
        key = self.head[0] + text + values
        return key, successor(key) if complete else beyond(key)

    def has_all(self, also: Sequence[str]) -> bool:
        """Whether the list has, or could have, all of these texts."""
        return self.texts.known is None or self.texts.known.issuperset(also)

    def lies_in(self, interval: Interval) -> bool:
        """Whether the row lies, or could lie, in the interval."""
        return self.has_all(interval.also) and any(max(low, interval.low) < min(high, interval.high) for low, high in self.places())


class ListTrees(Generic[K]):
    """The intervals of one index over a list: a tree for each text that is looked for, and each set of others that must be there too.

    So a row is looked up once for each of its texts, however many texts are looked for. `length` counts the values of a key up to the list.
    """

    __slots__ = ("_length", "_trees")

    def __init__(self, length: int) -> None:
        self._length = length
        self._trees: dict[bytes, dict[tuple[str, ...], IntervalTree[K]]] = {}

    def __bool__(self) -> bool:
        return bool(self._trees)

    def add(self, interval: Interval, key: K) -> None:
        """Let `key` hold the interval; an empty one is left out."""
        if interval.low < interval.high:
            trees = self._trees.setdefault(self._head(interval), {})
            trees.setdefault(interval.also, IntervalTree()).add(interval.low, interval.high, key)

    def discard(self, interval: Interval, key: K) -> None:
        """Let `key` hold the interval no longer, if it did."""
        head = self._head(interval)
        trees = self._trees.get(head, {})
        if interval.also not in trees:
            return
        trees[interval.also].discard(interval.low, interval.high, key)
        if not trees[interval.also]:
            del trees[interval.also]
            if not trees:
                del self._trees[head]

    def overlapping(self, entries: Entries, into: set[K]) -> None:
        """Add to `into` each key that holds an interval in which the row lies, or could lie."""
        if entries.anywhere:
            for trees in self._trees.values():
                _gather(trees, entries, entries.places(), into)
            return
        head = entries.head[0]
        for text in entries.texts.encoded:
            looked_for = self._trees.get(head + text)
            if looked_for is not None:
                _gather(looked_for, entries, [entries.place(text)], into)
        if _OF_SEVERAL_TEXTS in self._trees:
            _gather(self._trees[_OF_SEVERAL_TEXTS], entries, entries.places(), into)

    def _head(self, interval: Interval) -> bytes:
        """What all keys of the interval begin with, their text included."""
        return shared_head(interval.low, interval.high, self._length) or _OF_SEVERAL_TEXTS


def _gather(
    trees: Mapping[tuple[str, ...], IntervalTree[K]], entries: Entries, places: Iterable[tuple[bytes, bytes]], into: set[K]
) -> None:
    wanted = [tree for also, tree in trees.items() if entries.has_all(also)]
    if wanted:
        for low, high in places:
            for tree in wanted:
                tree.overlapping(low, high, into)
