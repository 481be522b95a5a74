"""Writing rows in a transaction; `datastore/writing.py` offers this to functions, by scope.

`owner` is the account, None on tables that belong to none.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from datastore.columns import columns_of
from datastore.database import Document
from datastore.errors import ConflictError
from datastore.ids import prefix_of
from datastore.references import belonging, check_changeable, hold_references
from datastore.tables import Row
from datastore.transactions import Transaction
from datastore.validation import fields_of, validated
from datastore.validators import FAREWELL

AnyRow = TypeVar("AnyRow", bound=Row)

MOST_AT_ONCE: Final = 1000
"""Rows in one command."""

MOST_BYTES_AT_ONCE: Final = 8 << 20
"""Of rows in one command: a command may have 16 MB in all."""

_KEPT_BY_WRITER = {"id", "account_id", "created_at", "updated_at"}


@dataclass(frozen=True, slots=True)
class _Change(Generic[AnyRow]):
    """What a row becomes; `columns` are those that differ, the time of the change left out."""

    row: AnyRow
    fresh: AnyRow
    document: Document
    size: int
    columns: Collection[str]

    def statement(self, owner: str | None) -> Document:
        """The update of the one row, if it is as it was read."""
        query = {"_id": {"$eq": self.row.id}, **belonging(owner), "updated_at": {"$eq": self.row.updated_at}}
        return {"q": query, "u": {"$set": {name: self.document[name] for name in (*self.columns, "updated_at")}}}


async def get_row(transaction: Transaction, owner: str | None, table: type[Row], id: str) -> Row | None:
    """The row as the transaction sees it, its own writes included."""
    if prefix_of(id) != table.spec.prefix:
        return None
    return await transaction.batcher.get(table, owner, id)


async def insert_row(transaction: Transaction, owner: str | None, row: AnyRow) -> AnyRow:
    """Store a new row. Raises InvalidInputError, ConflictError (unique), NotFoundError (a reference)."""
    return (await insert_rows(transaction, owner, [row]))[0]


async def insert_rows(transaction: Transaction, owner: str | None, rows: Sequence[AnyRow]) -> tuple[AnyRow, ...]:
    """Store new rows of one table. Raises as `insert_row` does."""
    if not rows:
        return ()
    table = table_of(rows)
    checked = [validated(table, fields_of(row)) for row in rows]
    referring = {reference.column for reference in table.spec.references}
    await hold_references(transaction, owner, table, [(document, referring) for _, document, _ in checked])
    for portion in _portions([(document, size) for _, document, size in checked]):
        await transaction.write(table, {"insert": table.spec.name, "documents": portion})
    stored = tuple(row for row, _, _ in checked)
    for row in stored:
        _written(transaction, owner, row.id, row)
    return stored


async def update_row(transaction: Transaction, owner: str | None, row: AnyRow, changes: Mapping[str, Any]) -> AnyRow:
    """Change columns of a row; only what differs is written, and nothing where nothing does.

    Raises ConflictError where the row is no longer as `row` says, else as `insert_row`.
    """
    return (await update_rows(transaction, owner, [(row, changes)]))[0]


async def update_rows(
    transaction: Transaction, owner: str | None, changes: Sequence[tuple[AnyRow, Mapping[str, Any]]]
) -> tuple[AnyRow, ...]:
    """Change columns of several rows of one table, each but once. As `update_row`; ConflictError where one is no longer as it was read."""
    if not changes:
        return ()
    table = table_of([row for row, _ in changes])
    check_changeable(table)
    if len({row.id for row, _ in changes}) < len(changes):
        raise ValueError(f"a row of {table.spec.name} is to be changed twice in one command")
    changed = [_changed(transaction, table, row, columns) for row, columns in changes]
    written = [change for change in changed if change.columns]
    await hold_references(transaction, owner, table, [(change.document, change.columns) for change in written])
    matched = 0
    for portion in _portions([(change.statement(owner), change.size) for change in written]):
        matched += await transaction.write(table, {"update": table.spec.name, "updates": portion})
    if matched < len(written):
        conflict = ConflictError(f"This {table.spec.noun} was changed or deleted meanwhile. Read it again.")
        if matched:
            transaction.fail(conflict)
        raise conflict
    for change in written:
        _written(transaction, owner, change.row.id, change.fresh)
    return tuple(change.fresh for change in changed)


async def increment_row(transaction: Transaction, owner: str | None, row: AnyRow, deltas: Mapping[str, int]) -> AnyRow:
    """Add to integer columns of the row as it is now, however old `row` is. Raises as `update_row` does."""
    table = type(row)
    check_changeable(table)
    columns = columns_of(table)
    if any(name not in columns or columns[name].kind != "integer" for name in deltas):
        raise TypeError(f"{table.spec.name}: {', '.join(deltas)} cannot be counted up")
    current = await get_row(transaction, owner, table, row.id)
    if not isinstance(current, table):
        raise ConflictError(f"This {table.spec.noun} was deleted meanwhile.")
    return await update_row(transaction, owner, current, {name: getattr(current, name) + delta for name, delta in deltas.items()})


async def delete_rows(transaction: Transaction, owner: str | None, table: type[Row], ids: list[str]) -> int:
    """Delete rows, whatever refers to them; how many there were. Those that are followed say whose they were first."""
    check_changeable(table)
    query = {"_id": {"$in": ids}, **belonging(owner)}
    if owner is not None and table.spec.followed:
        farewell = {"q": query, "u": {"$set": {FAREWELL: owner}}, "multi": True}
        await transaction.write(table, {"update": table.spec.name, "updates": [farewell]})
    deleted = await transaction.write(table, {"delete": table.spec.name, "deletes": [{"q": query, "limit": 0}]})
    for id in ids:
        _written(transaction, owner, id, None)
    return deleted


def table_of(rows: Sequence[AnyRow]) -> type[AnyRow]:
    """The one table of all rows. Raises TypeError where there are more, ValueError where a row's id is not one of its table."""
    table = type(rows[0])
    for row in rows:
        if type(row) is not table:
            raise TypeError(f"one command writes one table: {table.spec.name} and {row.spec.name} are two")
        if prefix_of(row.id) != table.spec.prefix:
            raise ValueError(f"{row.id!r} is no id of {table.spec.name}")
    return table


def _changed(transaction: Transaction, table: type[AnyRow], row: AnyRow, changes: Mapping[str, Any]) -> _Change[AnyRow]:
    unknown = changes.keys() - (table.model_fields.keys() - _KEPT_BY_WRITER)
    if unknown:
        raise TypeError(f"{table.spec.name} has no column {', '.join(sorted(unknown))} to be changed")
    stored = row.to_document()
    # Strictly later, so that no two states of a row share it: it is what tells whether the row is still as it was read.
    later = max(transaction.now, row.updated_at + timedelta(milliseconds=1))
    fresh, document, size = validated(table, {**fields_of(row), **changes, "updated_at": later})
    columns = [name for name, value in document.items() if value != stored[name] and name != "updated_at"]
    return _Change(row, fresh if columns else row, document, size, columns)


def _portions(sized: Sequence[tuple[Document, int]]) -> Iterator[list[Document]]:
    """Documents in the portions that one command each can hold, by the size of their rows in bytes."""
    portion: list[Document] = []
    bytes_so_far = 0
    for document, size in sized:
        if portion and (len(portion) == MOST_AT_ONCE or bytes_so_far + size > MOST_BYTES_AT_ONCE):
            yield portion
            portion, bytes_so_far = [], 0
        portion.append(document)
        bytes_so_far += size
    if portion:
        yield portion


def _written(transaction: Transaction, owner: str | None, id: str, row: Row | None) -> None:
    transaction.batcher.remember(owner, id, row)
    transaction.held.add(id)
    transaction.changed = True
