"""Changes and read sets for tests of matching."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from datastore.changes import Change, Kind
from datastore.keys import KeyValue, prefix_interval
from datastore.matching import Matcher, touches
from datastore.read_set import Interval, ReadSet
from datastore.versions import Version

Document = Mapping[str, Any]
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def product(id: str, account: str = "acc_1", **columns: object) -> dict[str, Any]:
    plain = {"archived": False, "name_key": "tea", "stock": 0, "price_minor": 100, "category_id": None, "sku": None, "search_keys": []}
    columns = plain | columns
    return {"_id": id, "account_id": account, "created_at": NOW, "low_stock": False, **columns}


def change(row: Document, kind: Kind = "insert", *, table: str = "products", fields: Sequence[str] | None = None) -> Change:
    names = None if fields is None else frozenset(fields)
    return Change(Version(1), table, row["_id"], kind, None if kind == "delete" else row, names)


def interval(index: str, *values: KeyValue, table: str = "products") -> Interval:
    return Interval(table, index, *prefix_interval(values))


def search(*values: KeyValue, also: Sequence[str] = (), index: str = "by_search") -> Interval:
    """What a search scans that finds no more than it shows."""
    return Interval("products", index, *prefix_interval(values), tuple(also))


def read_set(*read: str | Interval) -> ReadSet:
    """What a run read: ids and intervals."""
    read_set = ReadSet()
    for one in read:
        if isinstance(one, Interval):
            read_set.scanned(one)
        else:
            read_set.saw(one)
    return read_set


def woken(read: ReadSet, event: Change) -> bool:
    """Whether the change touches the read set: the matcher and the plain rule must say the same."""
    matcher: Matcher[str] = Matcher()
    matcher.register("till", read)
    matcher.register("another till", ReadSet())
    answer = touches(read, event)
    assert matcher.touched(event) == ({"till"} if answer else set())
    return answer
