"""What rows refer to is there, in the same account: a part of `tillstream verify`."""

from collections.abc import AsyncIterator

from datastore import schema as tables
from datastore.tables import OwnedRow, Reference
from datastore.validators import referring_index
from resolvers.verify_rows import Books, Record, chunked


async def check_references(books: Books) -> None:
    """Looks at every reference that the tables declare."""
    for table in tables.TABLES:
        if issubclass(table, OwnedRow):
            for reference in table.spec.references:
                await _check(books, table, reference)


async def _check(books: Books, table: type[OwnedRow], reference: Reference) -> None:
    target = tables.TABLES_BY_NAME[reference.table]
    if not issubclass(target, OwnedRow):
        raise TypeError(f"{table.spec.name}.{reference.column} refers to {reference.table}, which belongs to nobody")
    async for rows in chunked(_first_of_each(books, table, reference.column)):
        there = await books.by_id(target, [getattr(row, reference.column) for row in rows], ("account_id",))
        for row in rows:
            id = getattr(row, reference.column)
            if id not in there:
                books.findings.add(f"{table.spec.noun} {row.id}: its {target.spec.noun} {id} is not there")
            else:
                whose = f"that of its {target.spec.noun} {id} is"
                books.findings.differ(f"{table.spec.noun} {row.id}", "account_id", row.account_id, there[id].account_id, whose)


async def _first_of_each(books: Books, table: type[OwnedRow], column: str) -> AsyncIterator[Record]:
    """The first row that refers to each row, from the index alone."""
    last = None
    async for row in books.rows(table, referring_index(table, column).name, ("account_id", column)):
        referred = row.account_id, getattr(row, column)
        if referred[1] is not None and referred != last:
            last = referred
            yield row
