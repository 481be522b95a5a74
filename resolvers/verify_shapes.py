"""Rows are as their tables say: a part of `tillstream verify` for when another part has stumbled over one that is not.

MongoDB refuses such rows (`datastore/validators.py`), so they come from a copy that was put back past it, or a hand that went by it. All
others are read without asking: most of what is looked at is the rows of sound books.
"""

from pydantic import ValidationError

from datastore import schema as tables
from datastore.columns import columns_of
from datastore.tables import OwnedRow
from resolvers.verify_columns import index_of_all
from resolvers.verify_rows import Books, Record


async def check_shapes(books: Books) -> bool:
    """Looks at every column of every row; whether one lacks, or holds what it cannot."""
    sound = True
    for table in tables.TABLES:
        if issubclass(table, OwnedRow):
            async for row in books.rows(table, index_of_all(table), columns_of(table).keys() - {"_id"}):
                sound = _check(books, table, row) and sound
    return not sound


def _check(books: Books, table: type[OwnedRow], row: Record) -> bool:
    columns = vars(row)
    try:
        table.model_validate({**columns, "id": row.id})
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            column = str(problem["loc"][0])
            wrong = (
                f"{column} is {columns[column]}, but {problem['msg'].removeprefix('Input ')}"
                if column in columns
                else f"it has no {column}"
            )
            books.findings.add(f"{table.spec.noun} {row.id}: {wrong}; what is checked with it was not all looked at")
        return False
    return True
