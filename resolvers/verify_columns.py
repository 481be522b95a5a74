"""Columns that a row's other columns make, what it is found and ordered by among them, are as those make them: a part of
`tillstream verify`.
"""

from collections.abc import Callable
from typing import Any, Final

from datastore import schema as tables
from datastore.columns import columns_of
from datastore.paging import index_presence, list_key
from datastore.tables import OwnedRow
from resolvers.verify_rows import Books, Record

_TOLD: Final = 3
"""Texts of a list that are told."""


async def check_computed(books: Books) -> None:
    """Looks at every row of the tables that have such columns."""
    for table in computing_tables():
        figures = _figures(table)
        columns = columns_of(table).keys() - {"_id"}
        async for row in books.rows(table, index_of_all(table), columns):
            for column, figure in figures.items():
                _check(books, f"{table.spec.noun} {row.id}", column, getattr(row, column), figure(row))


def computing_tables() -> list[type[OwnedRow]]:
    """The tables of accounts that have such columns."""
    return [table for table in tables.TABLES if issubclass(table, OwnedRow) and table.model_computed_fields]


def index_of_all(table: type[OwnedRow]) -> str:
    """An index that every row stands in once."""
    whole = (index for index in table.spec.indexes if list_key(table, index) is None and not index_presence(table, index))
    return next(whole).name


def _figures(table: type[OwnedRow]) -> dict[str, Callable[[Record], Any]]:
    """How each is made: the very function of the table, which asks of a row nothing but its columns."""
    made = {name: computed.wrapped_property.fget for name, computed in table.model_computed_fields.items()}
    return {name: figure for name, figure in made.items() if figure is not None}


def _check(books: Books, row: str, column: str, stored: Any, figure: Any) -> None:
    if isinstance(stored, list) and isinstance(figure, list):
        if stored != figure:
            lacking = [text for text in figure if text not in stored][:_TOLD]
            beyond = [text for text in stored if text not in figure][:_TOLD]
            books.findings.add(f"{row}: {column} is not what its other columns make: it lacks {lacking} and has {beyond}")
    else:
        books.findings.differ(row, column, stored, figure, "its other columns make")
