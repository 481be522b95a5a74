"""Counting up: rows of sums, and the numbers of gapless series. Both make their row where there is none yet."""

from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import Any, cast

from datastore.columns import check_storable, columns_of, wire_name
from datastore.database import Document
from datastore.keys import KeyValue
from datastore.references import belonging
from datastore.rows import MOST_AT_ONCE
from datastore.schema import Counter
from datastore.tables import OwnedRow, TallyRow
from datastore.transactions import Transaction

Sums = Mapping[tuple[Any, ...], Mapping[str, int]]
"""What to add to which columns, by the keys (each a KeyValue) of the index `by_key`."""

KEY = "by_key"


async def tally_rows(transaction: Transaction, owner: str, table: type[TallyRow], sums: Sums) -> None:
    """Add to rows of sums; one command for a thousand of them.

    The row of one sum is written by one transaction at a time: others that count it up meanwhile are run again. Raises InvalidInputError
    where a sum would grow beyond 64 bits, TypeError for what is no key or no summed column of the table.
    """
    if not issubclass(table, TallyRow):
        raise TypeError(f"{table.__name__} holds no sums")
    statements = iter([_statement(transaction, owner, table, keys, deltas) for keys, deltas in sums.items() if any(deltas.values())])
    while portion := list(islice(statements, MOST_AT_ONCE)):
        await transaction.upsert(table, {"update": table.spec.name, "updates": portion})
        transaction.changed = True
    transaction.batcher.forget(table)


async def next_number(transaction: Transaction, owner: str, series: str, count: int = 1) -> int:
    """The next number of a series of the account, and the `count` - 1 behind it: 1, 2, 3 …, without a gap, because a number whose
    transaction fails was never given.
    """
    change = {"$inc": {"value": count}, **_made(transaction, Counter)}
    query = {**belonging(owner), "series": {"$eq": series}}
    command = {"findAndModify": Counter.spec.name, "query": query, "update": change, "upsert": True, "new": True}
    reply = await transaction.upsert(Counter, command)
    transaction.changed = True
    transaction.batcher.forget(Counter)
    return cast("int", reply["value"]["value"]) - count + 1


def _statement(
    transaction: Transaction, owner: str, table: type[TallyRow], keys: tuple[KeyValue, ...], deltas: Mapping[str, int]
) -> Document:
    names = table.spec.by_name[KEY].keys
    summed = summed_columns(table)
    if len(keys) != len(names) or None in keys or deltas.keys() - summed:
        raise TypeError(f"{table.spec.name} sums {', '.join(sorted(summed))} by {', '.join(names)}, not {set(deltas)} by {keys!r}")
    for name, value in [*zip(names, keys, strict=True), *deltas.items()]:
        check_storable(value, wire_name(name))
    added = {name: delta for name, delta in deltas.items() if delta}
    query = {**belonging(owner), **{name: {"$eq": value} for name, value in zip(names, keys, strict=True)}}
    change = {"$inc": added, **_made(transaction, table, dict.fromkeys(summed - added.keys(), 0))}
    return {"q": query, "u": change, "upsert": True}


@cache
def summed_columns(table: type[TallyRow]) -> frozenset[str]:
    """The columns of a table of sums that are counted up."""
    columns = columns_of(table)
    return frozenset(name for name, column in columns.items() if column.kind == "integer" and name not in table.spec.by_name[KEY].keys)


def _made(transaction: Transaction, table: type[OwnedRow], plain: Mapping[str, Any] | None = None) -> Document:
    """The part of a change that makes the row where there is none, and notes when it was changed."""
    return {
        "$setOnInsert": {"_id": table.new_id(), "created_at": transaction.now, **(plain or {})},
        "$max": {"updated_at": transaction.now},
    }
