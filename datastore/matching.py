"""Which of many read sets a change touches, and nothing else.

The rule: a change touches a read set if and only if the changed row's id is in `seen`, or the row as it is now has a key in a scanned
interval of one of its table's indexes. No image of the row as it was is needed: a row that leaves what was scanned was seen there, and a
row that was not seen can only matter by coming into it, and then its new key lies there. A row looked up later than its event may have
moved on, but then the event of that move is still to come, and the result is as it was (docs/decisions/0003 has the whole argument).

An update of a row in `seen` that sets no column the run used, and no key of what it scanned of that table, cannot change the result
either (`ReadSet.columns_used`). A change of the hidden `guard` column alone (how transactions serialise, `datastore/writing.py`) changes
nothing that can be read.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from datastore.changes import Change
from datastore.holders import Several, gather, hold, release
from datastore.intervals import IntervalTree
from datastore.keys import beyond, encode_value, owner_of, successor
from datastore.listed_keys import Entries, ListTrees, Texts, texts_of
from datastore.paging import list_key
from datastore.read_set import Interval, ReadSet
from datastore.schema import TABLES_BY_NAME
from datastore.tables import Policy

K = TypeVar("K", bound=Hashable)

_NOTHING: dict[str, frozenset[str]] = {}
_COLUMNS_NOBODY_READS = frozenset({"guard"})


def touches(read_set: ReadSet, change: Change) -> bool:
    """Whether the change could change the result of the run that read this."""
    if not _can_be_read(change):
        return False
    if change.id in read_set.seen:
        columns = _columns_that_matter(read_set, change.table)
        return columns is None or change.fields is None or not columns.isdisjoint(change.fields)
    if change.row is None:
        return False
    keys = _RowKeys(change.row)
    return any(interval.table == change.table and keys.lies_in(interval) for interval in read_set.intervals)


class Matcher(Generic[K]):
    """Read sets registered by key, and the question above asked of all of them at once.

    A change costs the time of finding its id in a hash table, and its key in one interval tree for each index of its table that read sets
    of the same owner scan: what is registered for other owners costs nothing. No key is None.
    """

    def __init__(self) -> None:
        self._registered: dict[K, tuple[tuple[str, ...], tuple[Interval, ...]]] = {}
        self._seen: dict[str, K | Several[K]] = {}
        # By key and table: the only columns of rows seen that matter, where that is known.
        self._narrowed: dict[K, dict[str, frozenset[str]]] = {}
        # By table, encoded owner (None: not of one owner), and index.
        self._scanned: dict[str, dict[bytes | None, dict[str, IntervalTree[K] | ListTrees[K]]]] = {}

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, key: K, read_set: ReadSet) -> None:
        """Register the read set as it is now under `key`, in place of what was.

        Raises KeyError where it names a table or index that is not declared; then nothing has changed.
        """
        for interval in read_set.intervals:
            _columns(interval.table, interval.index)
        self.unregister(key)
        intervals = tuple(interval for interval in read_set.intervals if interval.low < interval.high)
        self._registered[key] = tuple(read_set.seen), intervals
        narrowed = {table: columns for table in read_set.shown if (columns := _columns_that_matter(read_set, table)) is not None}
        if narrowed:
            self._narrowed[key] = narrowed
        for id in read_set.seen:
            self._seen[id] = hold(self._seen.get(id), key)
        for interval in intervals:
            self._hold(interval, key)

    def unregister(self, key: K) -> None:
        """Forget what is registered under `key`, if anything is."""
        seen, intervals = self._registered.pop(key, ((), ()))
        self._narrowed.pop(key, None)
        for id in seen:
            left = release(self._seen[id], key)
            if left is None:
                del self._seen[id]
            else:
                self._seen[id] = left
        for interval in intervals:
            self._discard(interval, key)

    def touched(self, change: Change) -> set[K]:
        """The keys of all read sets that the change touches."""
        found: set[K] = set()
        if not _can_be_read(change):
            return found
        owners = self._scanned.get(change.table)
        if owners and change.row is not None:
            keys = _RowKeys(change.row)
            for owner in {keys.owner(), None}:
                for index, tree in owners.get(owner, {}).items():
                    if isinstance(tree, ListTrees):
                        entries = keys.entries(change.table, index)
                        if entries is not None:
                            tree.overlapping(entries, found)
                        continue
                    place = keys.place(change.table, index)
                    if place is not None:
                        tree.overlapping(*place, found)
        seen_by = self._seen.get(change.id)
        if seen_by is not None:
            self._judge_by_id(change, seen_by, found)
        return found

    def _judge_by_id(self, change: Change, seen_by: "K | Several[K]", found: set[K]) -> None:
        """Add those who saw the row, less those to whom no column that it changed matters, wherever its key lies."""
        seers: set[K] = set()
        gather(seen_by, seers)
        found |= seers
        if change.fields is None or not self._narrowed:
            return
        for key in seers:
            columns = self._narrowed.get(key, _NOTHING).get(change.table)
            if columns is not None and columns.isdisjoint(change.fields):
                found.discard(key)

    def _hold(self, interval: Interval, key: K) -> None:
        trees = self._scanned.setdefault(interval.table, {}).setdefault(_partition(interval), {})
        tree = trees.get(interval.index)
        if tree is None:
            list_at = _columns(interval.table, interval.index).list_at
            tree = trees[interval.index] = IntervalTree() if list_at is None else ListTrees(list_at + 1)
        if isinstance(tree, ListTrees):
            tree.add(interval, key)
        else:
            tree.add(interval.low, interval.high, key)

    def _discard(self, interval: Interval, key: K) -> None:
        owners = self._scanned[interval.table]
        owner = _partition(interval)
        tree = owners[owner][interval.index]
        if isinstance(tree, ListTrees):
            tree.discard(interval, key)
        else:
            tree.discard(interval.low, interval.high, key)
        # An owner who watches nothing any more leaves nothing behind.
        if not tree:
            del owners[owner][interval.index]
            if not owners[owner]:
                del owners[owner]


@dataclass(frozen=True, slots=True)
class _Columns:
    """What an index's keys are made of."""

    stored: tuple[str, ...]
    owned: bool
    """A row without an owner is nobody's."""
    required: tuple[str, ...]
    """A row in which one of these is null is not in the index."""
    list_at: int | None
    """Which of them is a list, if one is."""


@cache
def _columns(table: str, index: str) -> _Columns:
    spec = TABLES_BY_NAME[table].spec
    declared = spec.by_name[index]
    stored, listed = spec.stored_keys(declared), list_key(TABLES_BY_NAME[table], declared)
    list_at = None if listed is None else stored.index(listed)
    return _Columns(stored, spec.policy is Policy.ACCOUNT, declared.keys if declared.unique else (), list_at)


class _RowKeys:
    """One row's keys; each column is encoded at most once, and only when an index that is scanned needs it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self._encoded: dict[str, bytes] = {}
        self._texts: dict[str, Texts] = {}

    def owner(self) -> bytes | None:
        """The encoded owner; None where there is none."""
        return self._encode("account_id") if isinstance(self._row.get("account_id"), str) else None

    def lies_in(self, interval: Interval) -> bool:
        """Whether the row lies, or could lie, in the interval."""
        if _columns(interval.table, interval.index).list_at is not None:
            entries = self.entries(interval.table, interval.index)
            return entries is not None and entries.lies_in(interval)
        place = self.place(interval.table, interval.index)
        return place is not None and max(place[0], interval.low) < min(place[1], interval.high)

    def place(self, table: str, index: str) -> tuple[bytes, bytes] | None:
        """The interval of the index in which the row lies: its key alone; None where it is not in the index.

        A value of a type that no column of ours has (the collections' validators refuse it, but a writer can go around them) may stand
        anywhere under the values before it.
        """
        columns = _columns(table, index)
        if columns.owned and self.owner() is None:
            return None
        if any(self._row.get(name) is None for name in columns.required):
            return None
        key, complete = self._encoded_key(columns.stored)
        return key, successor(key) if complete else beyond(key)

    def entries(self, table: str, index: str) -> Entries | None:
        """The keys that the row has in an index over a list; None where it is not in the index."""
        columns = _columns(table, index)
        at = columns.list_at
        if at is None or (columns.owned and self.owner() is None):
            return None
        head, tail = self._encoded_key(columns.stored[:at]), self._encoded_key(columns.stored[at + 1 :])
        name = columns.stored[at]
        if name not in self._texts:
            self._texts[name] = texts_of(self._row.get(name))
        return Entries(head, self._texts[name], tail)

    def _encoded_key(self, names: Sequence[str]) -> tuple[bytes, bool]:
        """These columns encoded, and whether that is all of them: it ends before a value of a type that no column of ours has."""
        key = b""
        for name in names:
            try:
                key += self._encode(name)
            except (TypeError, ValueError, OverflowError):
                return key, False
        return key, True

    def _encode(self, name: str) -> bytes:
        encoded = self._encoded.get(name)
        if encoded is None:
            encoded = self._encoded[name] = encode_value(self._row.get(name))
        return encoded


def _columns_that_matter(read_set: ReadSet, table: str) -> frozenset[str] | None:
    """The columns of rows seen whose change can change the result: those used, and the keys of what was scanned. None: all."""
    used = read_set.columns_used(table)
    if used is None:
        return None
    keys = (_columns(table, interval.index).stored for interval in read_set.intervals if interval.table == table)
    # A row that is given to another owner is gone, by whichever way it was read.
    return used.union({"account_id"}, *keys)


def _partition(interval: Interval) -> bytes | None:
    """The owner whose rows alone lie in the interval, as `_RowKeys.owner` gives it."""
    owned = TABLES_BY_NAME[interval.table].spec.policy is Policy.ACCOUNT
    return owner_of(interval.low, interval.high) if owned else None


def _can_be_read(change: Change) -> bool:
    """Whether anything that a run could have read has changed."""
    if change.table not in TABLES_BY_NAME:
        return False
    return change.fields is None or not change.fields <= _COLUMNS_NOBODY_READS
