"""What a written row rests on: the rows it refers to exist in its account, and still will when the transaction commits."""

from collections.abc import Collection, Iterable, Sequence

from datastore.columns import wire_name
from datastore.database import Document
from datastore.errors import ConflictError, NotFoundError
from datastore.ids import prefix_of
from datastore.schema import TABLES_BY_NAME
from datastore.tables import Row
from datastore.transactions import Transaction
from datastore.validators import GUARD


def belonging(owner: str | None) -> Document:
    """The condition that a row is the owner's."""
    return {} if owner is None else {"account_id": {"$eq": owner}}


def check_changeable(table: type[Row]) -> None:
    """Raises TypeError for a table whose rows stay as they were written."""
    if table.spec.append_only:
        raise TypeError(f"{table.spec.name} is append-only: a {table.spec.noun} is never changed or deleted")


async def get_rows(transaction: Transaction, owner: str | None, table: type[Row], ids: Iterable[str]) -> dict[str, Row]:
    """Those of the rows that exist, as the transaction sees them, its own writes included; one read at most."""
    known = [id for id in dict.fromkeys(ids) if prefix_of(id) == table.spec.prefix]
    rows = await transaction.batcher.get_all(table, owner, known)
    return {id: row for id, row in zip(known, rows, strict=True) if row is not None}


async def guard_rows(transaction: Transaction, owner: str | None, table: type[Row], ids: Iterable[str]) -> None:
    """Serialise with every other transaction that writes or guards the rows, without changing them.

    What cannot be serialised is run again, then on a newer snapshot. Raises ConflictError where a row is gone.
    """
    check_changeable(table)
    free = [id for id in dict.fromkeys(ids) if id not in transaction.held]
    if not free:
        return
    guarding = {"q": {"_id": {"$in": free}, **belonging(owner)}, "u": {"$inc": {GUARD: 1}}, "multi": True}
    if await transaction.write(table, {"update": table.spec.name, "updates": [guarding]}) != len(free):
        raise ConflictError(f"This {table.spec.noun} was deleted meanwhile.")
    transaction.held.update(free)


async def hold_references(
    transaction: Transaction, owner: str | None, table: type[Row], written: Sequence[tuple[Document, Collection[str]]]
) -> None:
    """Make sure of what the named columns of each document refer to: one read and one guard for each table referred to.

    Raises NotFoundError, naming the column, for what is not there.
    """
    wanted: dict[type[Row], dict[str, str]] = {}
    for reference in table.spec.references:
        target = TABLES_BY_NAME[reference.table]
        for document, columns in written:
            id = document[reference.column]
            if reference.column in columns and id is not None:
                wanted.setdefault(target, {}).setdefault(id, reference.column)
    for target, columns_by_id in wanted.items():
        there = await get_rows(transaction, owner, target, columns_by_id)
        for id, column in columns_by_id.items():
            if id not in there:
                raise NotFoundError(f"{wire_name(column)}: there is no such {target.spec.noun}.")
        if not target.spec.append_only:  # such a row stays anyway
            await guard_rows(transaction, owner, target, columns_by_id)
