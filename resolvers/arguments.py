"""Arguments that many functions take, and their checks."""

from typing import Annotated

import strawberry

from datastore.ids import check_id
from datastore.tables import Row

DEFAULT_PAGE = 20

First = Annotated[int, strawberry.argument(description="How many rows, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="The cursor of the row to continue after, from a page of this very list.")]
Descending = Annotated[bool, strawberry.argument(description="Whether the order is turned around.")]


def id_of(table: type[Row], value: str, path: str) -> str:
    """The id, if it is one of the table's. Raises InvalidInputError naming the argument at `path`."""
    return check_id(value, table.spec.prefix, table.spec.noun, path)
