"""Any row by its id: the Global Object Identification that client caches refresh rows by (GraphQL Global Object Identification
Specification).
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import strawberry

from datastore.errors import InvalidInputError
from datastore.ids import prefix_of
from datastore.schema import TABLES_BY_PREFIX
from datastore.scope import Scope
from datastore.tables import IdentityRow, Row
from resolvers.functions import IdentityQueryContext, identity_query

MOST_IDS = 100

GraphQLType = TypeVar("GraphQLType", bound=type)
_TYPES: dict[type[Row], Any] = {}
_VISIBLE: dict[type[Row], Callable[[Scope, Any], bool]] = {}
"""Of tables whose rows not every member of their account may see: whether somebody may."""


@strawberry.interface(description="A stored row.")
class Node:
    """What every row's type has."""

    id: strawberry.ID = strawberry.field(description="Names this row among all rows of all kinds, for good.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")


def node_type(table: type[Row], *, visible: Callable[[Scope, Any], bool] | None = None) -> Callable[[GraphQLType], GraphQLType]:
    """Registers a class as the GraphQL type of a table's rows, so that `node` finds them. The class has `of(row)`.

    `visible` tells whether somebody of the account may see a row; without it, all may see all, and nobody a row without an owner but the
    one that is themself.
    """

    def register(graphql_type: GraphQLType) -> GraphQLType:
        if visible is not None:
            _VISIBLE[table] = visible
        _TYPES[table] = graphql_type
        return graphql_type

    return register


def node_types() -> list[type]:
    """All registered GraphQL types, in the order of their registration."""
    return list(_TYPES.values())


def type_of(table: type[Row]) -> Any:
    """The GraphQL type of a table's rows. Raises KeyError where the API shows none of them."""
    return _TYPES[table]


def tables_by_type() -> dict[str, type[Row]]:
    """The table whose rows each registered GraphQL type shows, by the type's name."""
    return {graphql_type.__name__: table for table, graphql_type in _TYPES.items()}


def node_of(row: Row) -> Any:
    """The row as the GraphQL type of its table."""
    return _TYPES[type(row)].of(row)


@identity_query
async def node(
    ctx: IdentityQueryContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a row of any kind.")]
) -> Node | None:
    """The row with this id, or null where there is none that you may see."""
    [found] = await _load(ctx, [id], ["id"])
    return found


@identity_query
async def nodes(
    ctx: IdentityQueryContext, ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids of rows of any kind.")]
) -> list[Node | None]:
    """The rows with these ids, in the same order, each null where there is none that you may see."""
    if len(ids) > MOST_IDS:
        raise InvalidInputError.of("ids", f"must be at most {MOST_IDS} ids")
    return await _load(ctx, ids, [f"ids.{position}" for position in range(len(ids))])


async def _load(ctx: IdentityQueryContext, ids: Sequence[str], paths: Sequence[str]) -> list[Node | None]:
    db = ctx.reader(ctx.scope)
    tables = [_table_of(id, path) for id, path in zip(ids, paths, strict=True)]

    async def row(table: type[Row], id: str) -> Row | None:
        if not issubclass(table, IdentityRow):
            found = await db.node(id)
            hidden = found is not None and table in _VISIBLE and not _VISIBLE[table](ctx.scope, found)
            return None if hidden else found
        # Of the tables without an owner, a caller sees the row that is themself, and what is theirs.
        if id == ctx.scope.user_id:
            return await ctx.identity.get(table, id)
        visible = _VISIBLE.get(table)
        one = None if visible is None else await ctx.identity.get(table, id)
        return one if one is not None and visible is not None and visible(ctx.scope, one) else None

    rows = await asyncio.gather(*(row(table, id) for table, id in zip(tables, ids, strict=True)))
    return [None if found is None else node_of(found) for found in rows]


def _table_of(id: str, path: str) -> type[Row]:
    prefix = prefix_of(id)
    table = None if prefix is None else TABLES_BY_PREFIX.get(prefix)
    if table is None or table not in _TYPES:
        raise InvalidInputError.of(path, "not the id of any kind of row")
    return table
