"""Rows that their owner puts in an order of their own, by a column `position`: the categories of products and of expenses."""

from collections.abc import Sequence
from typing import TypeVar

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.writing import Writer
from resolvers.arguments import id_of

Placed = TypeVar("Placed", tables.ProductCategory, tables.ExpenseCategory)

MOST_PLACED = 500
"""Of one kind in an account, so that all can be put in order at once. Those that are made at the same moment may go beyond it."""

MOST_ORDERED = 2 * MOST_PLACED


async def next_position(db: Writer, table: type[Placed]) -> int:
    """The place behind all others. Raises ConflictError where there are as many as there can be.

    Two that are made at the same moment may share a place; the id then decides, as for any tie.
    """
    others = await db.scan(table, "by_position", (), first=MOST_PLACED, descending=True)
    if len(others) == MOST_PLACED:
        raise ConflictError(f"There are {MOST_PLACED} {_plural(table)}, the most there can be.")
    return 1 + (others[0].position if others else 0)


async def put_in_order(db: Writer, table: type[Placed], ids: Sequence[str]) -> tuple[Placed, ...]:
    """Gives all rows of the table their places in the order of the ids, and returns them in it.

    Raises InvalidInputError, naming `ids`, where these are not the ids of all rows, each once.
    """
    if len(ids) > MOST_ORDERED:
        raise InvalidInputError.of("ids", f"must be at most {MOST_ORDERED} ids")
    for place, id in enumerate(ids):
        id_of(table, id, f"ids.{place}")
    rows = {row.id: row for row in await db.scan(table, "by_position", (), first=MOST_ORDERED)}
    if len(ids) != len(rows) or set(ids) != rows.keys():
        raise InvalidInputError.of("ids", f"must be the ids of all {len(rows)} {_plural(table)}, each once")
    return await db.update_all([(rows[id], {"position": position}) for position, id in enumerate(ids, start=1)])


def _plural(table: type[Placed]) -> str:
    return table.spec.name.replace("_", " ")
