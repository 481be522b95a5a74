"""Writing rows in a transaction; `datastore/writing.py` offers this to functions, by scope.

`owner` is the account, None on tables that belong to none.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from datastore.columns import columns_of, wire_name
from datastore.database import Document
from datastore.errors import ConflictError, NotFoundError
from datastore.ids import prefix_of
from datastore.schema import TABLES_BY_NAME
from datastore.tables import Row
from datastore.transactions import Transaction
from datastore.validation import fields_of, validated
from datastore.validators import FAREWELL, GUARD

AnyRow = TypeVar("AnyRow", bound=Row)

_KEPT_BY_WRITER = {"id", "account_id", "created_at", "updated_at"}


async def get_row(transaction: Transaction, owner: str | None, table: type[Row], id: str) -> Row | None:
    """The row as the transaction sees it, its own writes included."""
    if prefix_of(id) != table.spec.prefix:
        return None
    return await transaction.batcher.get(table, owner, id)


async def insert_row(transaction: Transaction, owner: str | None, row: AnyRow) -> AnyRow:
    """Store a new row. Raises InvalidInputError, ConflictError (unique), NotFoundError (a reference)."""
    table = type(row)
    if prefix_of(row.id) != table.spec.prefix:
        raise ValueError(f"{row.id!r} is no id of {table.spec.name}")
    row, document = validated(table, fields_of(row))
    await _hold_references(transaction, owner, table, document, {reference.column for reference in table.spec.references})
    await transaction.write(table, {"insert": table.spec.name, "documents": [document]})
    _written(transaction, owner, row.id, row)
    return row


async def update_row(transaction: Transaction, owner: str | None, row: AnyRow, changes: Mapping[str, Any]) -> AnyRow:
    """Change columns of a row; only what differs is written, and nothing where nothing does.

    Raises ConflictError where the row is no longer as `row` says, else as `insert_row`.
    """
    table = type(row)
    unknown = changes.keys() - (table.model_fields.keys() - _KEPT_BY_WRITER)
    if unknown:
        raise TypeError(f"{table.spec.name} has no column {', '.join(sorted(unknown))} to be changed")
    stored = row.to_document()
    _, document = validated(table, {**fields_of(row), **changes})
    changed = {name for name, value in document.items() if value != stored[name]}
    if not changed:
        return row
    # Strictly later, so that no two states of a row share it: it is what tells whether the row is still as it was read.
    later = max(transaction.now, row.updated_at + timedelta(milliseconds=1))
    fresh, document = validated(table, {**fields_of(row), **changes, "updated_at": later})
    await _hold_references(transaction, owner, table, document, changed)
    values = {name: document[name] for name in changed | {"updated_at"}}
    if not await _update(transaction, owner, table, row.id, {"updated_at": {"$eq": row.updated_at}}, {"$set": values}):
        raise ConflictError(f"This {table.spec.noun} was changed or deleted meanwhile. Read it again.")
    _written(transaction, owner, row.id, fresh)
    return fresh


async def increment_row(transaction: Transaction, owner: str | None, row: AnyRow, deltas: Mapping[str, int]) -> AnyRow:
    """Add to integer columns of the row as it is now, however old `row` is. Raises as `update_row` does."""
    table = type(row)
    columns = columns_of(table)
    if any(name not in columns or columns[name].kind != "integer" for name in deltas):
        raise TypeError(f"{table.spec.name}: {', '.join(deltas)} cannot be counted up")
    current = await get_row(transaction, owner, table, row.id)
    if not isinstance(current, table):
        raise ConflictError(f"This {table.spec.noun} was deleted meanwhile.")
    return await update_row(transaction, owner, current, {name: getattr(current, name) + delta for name, delta in deltas.items()})


async def guard_row(transaction: Transaction, owner: str | None, table: type[Row], id: str) -> None:
    """Serialise with every other transaction that writes or guards the row, without changing it.

    What cannot be serialised is run again, then on a newer snapshot. Raises ConflictError where the row is gone.
    """
    if id in transaction.held:
        return
    if not await _update(transaction, owner, table, id, {}, {"$inc": {GUARD: 1}}):
        raise ConflictError(f"This {table.spec.noun} was deleted meanwhile.")
    transaction.held.add(id)


async def delete_rows(transaction: Transaction, owner: str | None, table: type[Row], ids: list[str]) -> int:
    """Delete rows, whatever refers to them; how many there were. Those that are followed say whose they were first."""
    query = {"_id": {"$in": ids}, **_belonging(owner)}
    if owner is not None and table.spec.followed:
        farewell = {"q": query, "u": {"$set": {FAREWELL: owner}}, "multi": True}
        await transaction.write(table, {"update": table.spec.name, "updates": [farewell]})
    deleted = await transaction.write(table, {"delete": table.spec.name, "deletes": [{"q": query, "limit": 0}]})
    for id in ids:
        _written(transaction, owner, id, None)
    return deleted


async def _update(
    transaction: Transaction, owner: str | None, table: type[Row], id: str, expected: Mapping[str, Any], change: Document
) -> bool:
    """Change one row if it is as expected; whether it was."""
    query = {"_id": {"$eq": id}, **_belonging(owner), **expected}
    return await transaction.write(table, {"update": table.spec.name, "updates": [{"q": query, "u": change}]}) == 1


async def _hold_references(transaction: Transaction, owner: str | None, table: type[Row], document: Document, columns: set[str]) -> None:
    """Make sure that what these columns refer to exists in the same account, and will when the transaction commits."""
    for reference in table.spec.references:
        id = document[reference.column]
        if reference.column not in columns or id is None:
            continue
        target = TABLES_BY_NAME[reference.table]
        if await get_row(transaction, owner, target, id) is None:
            raise NotFoundError(f"{wire_name(reference.column)}: there is no such {target.spec.noun}.")
        await guard_row(transaction, owner, target, id)


def _belonging(owner: str | None) -> Document:
    return {} if owner is None else {"account_id": {"$eq": owner}}


def _written(transaction: Transaction, owner: str | None, id: str, row: Row | None) -> None:
    transaction.batcher.remember(owner, id, row)
    transaction.held.add(id)
    transaction.changed = True
