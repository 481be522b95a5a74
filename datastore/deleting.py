"""Deleting a row, with what the tables that refer to it declare for that case.

Everything is read first, so that a refusal has written nothing: the rows that go with it (cascade), level by level, then the ones that hold
any of them (restrict), then those that lose their reference (clear).
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from datastore.database import Document
from datastore.errors import ConflictError
from datastore.paging import scan_of
from datastore.rows import delete_rows, update_row
from datastore.schema import TABLES
from datastore.tables import OnDelete, Reference, Row
from datastore.transactions import Transaction
from datastore.validators import referring_index

BATCH: Final = 500
"""Rows that are read, and ids that are deleted, by one command."""


@dataclass(slots=True)
class _Deletion:
    """What goes, and what refers to it and stays."""

    doomed: dict[str, type[Row]] = field(default_factory=dict)
    holding: list[tuple[type[Row], Reference, str]] = field(default_factory=list)
    clearing: list[tuple[type[Row], Reference, str]] = field(default_factory=list)


async def delete_row(transaction: Transaction, owner: str | None, row: Row) -> None:
    """Delete a row and follow the references to it.

    Raises ConflictError where it is gone already, or where a row that restricts the deletion refers to it or to one that would go with it.
    """
    table = type(row)
    deletion = await _followed(transaction, owner, table, row.id)
    await _check_unheld(transaction, owner, deletion)
    try:
        await _clear(transaction, owner, deletion)
        await _delete(transaction, owner, deletion, row)
    except Exception as error:
        transaction.fail(error)
        raise


async def delete_listed(transaction: Transaction, owner: str | None, table: type[Row], index: str, keys: tuple[str, ...]) -> int:
    """Delete all rows that begin with these keys in an index, whatever refers to them; how many there were."""
    deleted = 0
    leg = scan_of(table, index, owner, keys).leg(BATCH)
    while leg is not None and (documents := await transaction.batcher.fetch(leg)):
        deleted += await delete_rows(transaction, owner, table, [document["_id"] for document in documents])
    return deleted


async def _followed(transaction: Transaction, owner: str | None, table: type[Row], id: str) -> _Deletion:
    deletion = _Deletion({id: table})
    level = [(table, id)]
    while level:
        deeper = []
        for above, id_above in level:
            for below, reference in _references_to(above):
                if reference.on_delete is OnDelete.RESTRICT:
                    deletion.holding.append((below, reference, id_above))
                elif reference.on_delete is OnDelete.CLEAR:
                    deletion.clearing.append((below, reference, id_above))
                else:
                    deeper += [
                        (below, document["_id"])
                        async for document in _referring(transaction, owner, below, reference, id_above)
                        if document["_id"] not in deletion.doomed
                    ]
        deletion.doomed |= {id_below: below for below, id_below in deeper}
        level = deeper
    return deletion


def _references_to(table: type[Row]) -> list[tuple[type[Row], Reference]]:
    return [(other, reference) for other in TABLES for reference in other.spec.references if reference.table == table.spec.name]


async def _referring(
    transaction: Transaction, owner: str | None, table: type[Row], reference: Reference, id: str
) -> AsyncIterator[Document]:
    """The documents that refer to a row, read in batches."""
    scan = scan_of(table, referring_index(table, reference.column).name, owner, [id])
    while (leg := scan.leg(BATCH)) is not None:
        documents = await transaction.batcher.fetch(leg)
        for document in documents:
            yield document
        if len(documents) < BATCH:
            return
        scan = replace(scan, after=tuple(documents[-1][key] for key in scan.free_keys))


async def _check_unheld(transaction: Transaction, owner: str | None, deletion: _Deletion) -> None:
    for table, reference, id in deletion.holding:
        async for document in _referring(transaction, owner, table, reference, id):
            if document["_id"] not in deletion.doomed:
                noun = deletion.doomed[id].spec.noun
                raise ConflictError(f"This {noun} is still referred to by the {table.spec.noun} {document['_id']}.")


async def _clear(transaction: Transaction, owner: str | None, deletion: _Deletion) -> None:
    for table, reference, id in deletion.clearing:
        async for document in _referring(transaction, owner, table, reference, id):
            if document["_id"] not in deletion.doomed:
                await update_row(transaction, owner, table.from_document(document), {reference.column: None})


async def _delete(transaction: Transaction, owner: str | None, deletion: _Deletion, row: Row) -> None:
    if not await delete_rows(transaction, owner, type(row), [row.id]):
        raise ConflictError(f"This {row.spec.noun} was deleted meanwhile.")
    by_table: defaultdict[type[Row], list[str]] = defaultdict(list)
    for id, table in deletion.doomed.items():
        if id != row.id:
            by_table[table].append(id)
    for table, ids in by_table.items():
        for start in range(0, len(ids), BATCH):
            await delete_rows(transaction, owner, table, ids[start : start + BATCH])
