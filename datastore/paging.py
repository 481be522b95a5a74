"""What one page of an index reads: the filter and order for MongoDB, and the key interval for the read set, from the same arguments.

Keyset paging: a page begins after a key, not after a number of rows, so that it costs the same at any depth and no insert or delete
before it shifts it (https://use-the-index-luke.com/no-offset).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, Final, Self

from datastore.columns import check_storable, columns_of, wire_name
from datastore.errors import InvalidInputError
from datastore.keys import KeyValue, encode_key, prefix_interval, successor
from datastore.legs import Leg, Sieve
from datastore.read_set import Interval
from datastore.tables import Index, Row


class Unbounded(Enum):
    """No bound at this end of a range (None is a value: null, the least of all)."""

    UNBOUNDED = "unbounded"


UNBOUNDED: Final = Unbounded.UNBOUNDED

_TYPE_OF_KIND = {"string": "string", "integer": "number", "bool": "bool", "date": "date"}


@dataclass(frozen=True, slots=True)
class Scan:
    """A part of one index: equality on its first keys, at most a half-open range `[low, high)` on the next, in either direction.

    `owner` is the account, None on a table that has none. `after` holds the values of all keys behind `equals` of the row to begin behind.
    Where one of the index's keys is a list, `equals` holds one text of it, and `also` others that a row's list must have too, in order.
    Which of them all is the one in `equals` changes nothing of the list that is read, nor of its cursors.
    """

    table: type[Row]
    index: Index
    owner: str | None
    equals: tuple[KeyValue, ...]
    descending: bool = False
    low: KeyValue | Unbounded = UNBOUNDED
    high: KeyValue | Unbounded = UNBOUNDED
    after: tuple[KeyValue, ...] | None = None
    also: tuple[str, ...] = ()

    @property
    def stored_keys(self) -> tuple[str, ...]:
        """All keys of the index in MongoDB."""
        return self.table.spec.stored_keys(self.index)

    @property
    def prefix(self) -> tuple[KeyValue, ...]:
        """The values that all keys of the scan begin with."""
        return self.equals if self.owner is None else (self.owner, *self.equals)

    @property
    def free_keys(self) -> tuple[str, ...]:
        """The keys behind `equals`: those that the rows are ordered by."""
        return self.stored_keys[len(self.prefix) :]

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a row's list must have, in order; empty where no key of the index is a list."""
        place = self._list_place
        return () if place is None else tuple(sorted([str(self.equals[place]), *self.also]))

    def by_text(self, text: str) -> "Scan":
        """The same rows in the same order, read by another one of their texts."""
        place = self._list_place
        if place is None or text not in self.texts:
            raise ValueError(f"{text!r} is not among {self.texts}")
        equals = (*self.equals[:place], text, *self.equals[place + 1 :])
        return replace(self, equals=equals, also=tuple(other for other in self.texts if other != text))

    @property
    def context(self) -> bytes:
        """What a cursor of this list is bound to."""
        first = self if self._list_place is None else self.by_text(self.texts[0])
        of = [self.table.spec.name, self.index.name, *self.stored_keys, self.descending, len(self.prefix), *first.prefix, *first.also]
        return encode_key(of)

    @property
    def _list_place(self) -> int | None:
        """Where in `equals` the text of the index's list stands."""
        name = list_key(self.table, self.index)
        return None if name is None else self.index.keys.index(name)

    def behind(self, row: Row) -> Self:
        """The rest of the scan, behind a row of it."""
        return replace(self, after=tuple(getattr(row, "id" if name == "_id" else name) for name in self.free_keys))

    def bounds(self) -> tuple[bytes, bytes]:
        """The encoded keys `[low, high)` that the scan covers when it is not cut short; empty where `low >= high`."""
        low, high = prefix_interval(self.prefix)
        if self.low is not UNBOUNDED:
            low = encode_key([*self.prefix, self.low])
        if self.high is not UNBOUNDED:
            high = encode_key([*self.prefix, self.high]) if self.high is not None else low  # nothing is below null
        if self.after is not None:
            after = encode_key([*self.prefix, *self.after])
            low, high = (low, min(high, after)) if self.descending else (max(low, successor(after)), high)
        return low, high

    def interval(self, last: Mapping[str, Any] | None = None) -> Interval:
        """What was scanned: up to and including the key of the document `last`, or, where that is None, to the end."""
        low, high = self.bounds()
        if last is not None:
            key = encode_key([*self.prefix, *(last[name] for name in self.free_keys)])
            low, high = (key, high) if self.descending else (low, successor(key))
        return Interval(self.table.spec.name, self.index.name, low, high, self.also)

    def leg(self, limit: int, examined: int | None = None) -> Leg | None:
        """The read of the first `limit` rows, or None where no row can be in it.

        With `examined`, it looks for those that have the texts in `also` among so many rows only.
        """
        low, high = self.bounds()
        if low >= high:
            return None
        # An order by a list would be by the least of its texts, not by the one that was asked for.
        order = {name: -1 if self.descending else 1 for name in self.stored_keys if name != list_key(self.table, self.index)}
        if examined is None:
            return Leg(self.table.spec.name, self.index.name, self.condition() | self._having(), order, limit)
        return Leg(self.table.spec.name, self.index.name, self.condition(), order, limit, Sieve(examined, self._having()))

    def _having(self) -> dict[str, Any]:
        """That a row's list has what is in `also`.

        Said so that the planner cannot take the bounds of the scan from it: those are the text's that `equals` holds.
        """
        listed = list_key(self.table, self.index)
        return {"$nor": [{listed: {"$ne": text}} for text in self.also]} if self.also else {}

    def condition(self) -> dict[str, Any]:
        """What all rows match that the index is read for: all but `also`. Every value stands under an operator, so that none can be one."""
        fixed: dict[str, Any] = {name: {"$eq": value} for name, value in zip(self.stored_keys, self.prefix, strict=False)}
        for name, condition in index_presence(self.table, self.index).items():
            fixed[name] = {**fixed.get(name, {}), **condition}
        from_start = replace(self, after=None)
        if self.after is None or self.bounds() == from_start.bounds():  # `after` lies before the range: all of that is to come
            return _both(fixed, self._range(self.low, self.high))
        return {**fixed, "$or": self._branches(self.after)}

    def _branches(self, after: Sequence[KeyValue]) -> list[dict[str, Any]]:
        """Row values compared the long way, one branch for each key that may differ first: the planner merges them in index order."""
        branches = []
        for position, name in enumerate(self.free_keys):
            same = {key: {"$eq": value} for key, value in zip(self.free_keys[:position], after, strict=False)}
            beyond = self._beyond(name, after[position])
            if beyond is not None:
                rest = self._range(UNBOUNDED, self.high) if not self.descending else self._range(self.low, UNBOUNDED)
                branches.append(_both({**same, name: beyond}, rest if position == 0 else {}))
        return branches

    def _beyond(self, name: str, value: KeyValue) -> dict[str, Any] | None:
        """Comparisons with null or across it: `$gt` and `$lt` alone never leave the type of their operand."""
        if not self.descending:
            return {"$ne": None} if value is None else {"$gt": value}
        if value is None:
            return None
        return {"$not": {"$gte": value}} if columns_of(self.table)[name].nullable else {"$lt": value}

    def _range(self, low: KeyValue | Unbounded, high: KeyValue | Unbounded) -> dict[str, Any]:
        if not self.free_keys:
            return {}
        condition: dict[str, Any] = {}
        if low is not UNBOUNDED and low is not None:
            condition["$gte"] = low
        if high is not UNBOUNDED:
            bracketed = "$gte" in condition or not columns_of(self.table)[self.free_keys[0]].nullable
            condition |= {"$lt": high} if bracketed else {"$not": {"$gte": high}}
        return {self.free_keys[0]: condition} if condition else {}


def index_presence(table: type[Row], index: Index) -> dict[str, dict[str, str]]:
    """The condition under which a row is in an index, which a query must repeat to be given it: no null in the keys of a unique one."""
    nullable = [columns_of(table)[key] for key in index.keys if index.unique and columns_of(table)[key].nullable]
    return {column.name: {"$type": _TYPE_OF_KIND[column.kind]} for column in nullable}


@cache
def list_key(table: type[Row], index: Index) -> str | None:
    """The one key of an index that is a list, so that a row stands in it once for each text; None where it has none."""
    return next((key for key in index.keys if columns_of(table)[key].kind == "strings"), None)


def scan_of(
    table: type[Row],
    index: str,
    owner: str | None,
    equals: Sequence[KeyValue],
    *,
    also: Sequence[str] = (),
    descending: bool = False,
    low: KeyValue | Unbounded = UNBOUNDED,
    high: KeyValue | Unbounded = UNBOUNDED,
) -> Scan:
    """The scan that was asked for.

    Raises KeyError for an index that is not declared, TypeError for more values than it has keys or none for its list (a row would come
    more than once), and InvalidInputError for a value that no stored row can have.
    """
    declared = table.spec.by_name[index]
    values = [*equals, *(bound for bound in (low, high) if bound is not UNBOUNDED)]
    if len(equals) > len(declared.keys) or (len(values) > len(equals) == len(declared.keys)):
        raise TypeError(f"{table.spec.name}.{index} has {len(declared.keys)} keys, {len(values)} values were given")
    for name, value in zip(declared.keys, equals, strict=False):
        check_storable(value, wire_name(name))
    for value in values[len(equals) :]:
        check_storable(value, wire_name(declared.keys[len(equals)]))
    return Scan(table, declared, owner, tuple(equals), descending, low, high, also=_also(table, declared, equals, also))


def _also(table: type[Row], index: Index, equals: Sequence[KeyValue], also: Sequence[str]) -> tuple[str, ...]:
    """The other texts that a list must have, each once and in order, so that the same search is the same list."""
    name = list_key(table, index)
    if name is None:
        if also:
            raise TypeError(f"{table.spec.name}.{index.name} has no list that could have {also} too")
        return ()
    given = dict(zip(index.keys, equals, strict=False)).get(name)
    if not isinstance(given, str):
        raise TypeError(f"{table.spec.name}.{index.name} is read by one text of {name}, not by {given!r}")
    for text in also:
        check_storable(text, wire_name(name))
    return tuple(sorted({*also} - {given}))


def check_first(first: int, most: int) -> None:
    """Raises InvalidInputError unless `1 <= first <= most`."""
    if not 1 <= first <= most:
        raise InvalidInputError.of("first", f"must be from 1 to {most}")


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both conditions, those on the same column merged."""
    return one | {name: {**one.get(name, {}), **condition} for name, condition in other.items()}
