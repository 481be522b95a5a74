"""The feed of changes, for who keeps a copy of their rows elsewhere: every row made, changed or deleted, at least once and in order."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Protocol, Self, cast

import strawberry
from strawberry.types.base import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from datastore.changes import Change as StoredChange
from datastore.cursors import Cursors
from datastore.errors import ForbiddenError, InvalidInputError
from datastore.feed import Operation, Position, cursor_of, operation_of, position_at
from datastore.rights import may_follow
from datastore.schema import TABLES_BY_NAME
from datastore.scope import Role, Scope
from datastore.tables import OwnedRow
from datastore.versions import to_wire
from resolvers.functions import COLUMNS, QueryContext, field, signed_in
from resolvers.nodes import Node, node_of, type_of


@strawberry.enum(description="A kind of row whose changes can be followed.")
class ChangedTable(Enum):
    """The tables whose rows the API shows; the values are their names."""

    ACCOUNTS = strawberry.enum_value("accounts", description="The business itself.")
    SETTINGS = strawberry.enum_value("settings", description="The settings of the business.")
    PRODUCT_CATEGORIES = strawberry.enum_value("product_categories", description="Product categories.")
    PRODUCTS = strawberry.enum_value("products", description="Products.")
    STOCK_MOVEMENTS = strawberry.enum_value("stock_movements", description="Stock movements.")
    MEMBERS = strawberry.enum_value("members", description="The people who share the business.")
    SALES = strawberry.enum_value("sales", description="Sales.")
    SALE_ITEMS = strawberry.enum_value("sale_items", description="The lines of sales.")
    REFUNDS = strawberry.enum_value("refunds", description="Refunds.")
    REFUND_ITEMS = strawberry.enum_value("refund_items", description="The lines of refunds.")
    EXPENSE_CATEGORIES = strawberry.enum_value("expense_categories", description="Expense categories.")
    EXPENSES = strawberry.enum_value("expenses", description="Expenses.")
    RECURRING_EXPENSES = strawberry.enum_value("recurring_expenses", description="Recurring expenses.")
    TRANSACTIONS = strawberry.enum_value("transactions", description="Transactions, the entries of the ledger.")
    PAYMENTS = strawberry.enum_value("payments", description="Payments by card.")
    FOLDERS = strawberry.enum_value("folders", description="Folders.")
    FILES = strawberry.enum_value("files", description="Files.")


@strawberry.enum(description="What became of a row.")
class ChangeOperation(Enum):
    """The kinds of change."""

    INSERT = strawberry.enum_value("INSERT", description="It was made.")
    UPDATE = strawberry.enum_value("UPDATE", description="It was changed.")
    DELETE = strawberry.enum_value("DELETE", description="It was deleted.")


@strawberry.type(description="One change of one row.")
class Change:
    """A change that the caller may see."""

    stored: strawberry.Private[StoredChange]
    cursor: str = strawberry.field(description="Stands for this change: follow on behind it with `after`. Keep it with the copy.")
    table: ChangedTable = strawberry.field(description="What kind of row it is.")
    operation: ChangeOperation = strawberry.field(description="What became of it.")
    id: strawberry.ID = strawberry.field(description="The row's id.")
    changed_fields: list[str] | None = strawberry.field(
        description="The fields that an update changed, of the type that `node` has; null for other operations, and where all may have."
    )
    at: datetime = strawberry.field(description="When it was changed, by the database's clock.")
    version: str = strawberry.field(
        description="The version that it was committed with: the same for all changes of one mutation, and for its `extensions.version`."
    )

    @classmethod
    def of(cls, change: StoredChange, operation: Operation, cursor: str, role: Role) -> Self:
        """The change as the API shows it to a role."""
        return cls(
            stored=change,
            cursor=cursor,
            table=ChangedTable(change.table),
            operation=ChangeOperation(operation),
            id=strawberry.ID(change.id),
            changed_fields=None if operation != "UPDATE" or change.fields is None else changed_fields(change.table, change.fields, role),
            at=change.at,
            version=to_wire(change.time),
        )

    @field()
    async def node(self, ctx: QueryContext) -> Node | None:
        """The row as it is now, never older than this change; null where it is gone."""
        row = await ctx.db.node(self.id)
        return None if row is None else cast("Node", node_of(row))


class Followed(Protocol):
    """The context value of a subscription to changes: `gql.change_events` makes it."""

    scope: Scope | None
    cursors: Cursors

    def follow(self, scope: Scope, after: Position | None) -> AsyncGenerator[StoredChange, None]:
        """All changes of the scope's account behind a position, or from now on."""


async def changes(
    info: strawberry.Info,
    tables: Annotated[
        list[ChangedTable] | None, strawberry.argument(description="The kinds of row to follow; all that your role may list, if left out.")
    ] = None,
    after: Annotated[
        str | None,
        strawberry.argument(
            description="The cursor of the last change that you have, or the version of a result to begin with; left out: from now on."
        ),
    ] = None,
) -> AsyncGenerator[Change, None]:
    """The changes of your rows, in the order they were committed, each at least once.

    All changes of one mutation follow each other. A row that is changed and soon deleted may be told of by its deletion alone. Keep the
    cursor of the last change you handled, and go on from there after a break; CONFLICT says that it is too old, because the database has
    not kept all changes since: read everything again. To begin a copy, take the version of a first live result as `after`.
    """
    followed = cast("Followed", info.context)
    scope = signed_in(followed.scope)
    wanted = _names(tables, scope.role)
    position = None if after is None else position_at(followed.cursors, scope.account_id, after)
    async with aclosing(followed.follow(scope, position)) as stored:
        async for change in stored:
            operation = operation_of(change)
            if operation is not None and change.table in wanted:
                yield Change.of(change, operation, cursor_of(followed.cursors, scope.account_id, change), scope.role)


def _names(tables: list[ChangedTable] | None, role: Role) -> Collection[str]:
    """The names of the tables to follow: those that were asked for, or all whose rows the role may go through.

    Raises ForbiddenError where it may not go through those of one that was asked for.
    """
    told = {table for table in ChangedTable if may_follow(_owned(table), role)}
    chosen = told if tables is None else set(tables)
    if not chosen:
        raise InvalidInputError.of("tables", "must name at least one, or be left out")
    if refused := chosen - told:
        raise ForbiddenError(f"The role {role} is not told of changes of: {', '.join(sorted(table.name for table in refused))}.")
    return {cast("str", table.value) for table in chosen}


def _owned(table: ChangedTable) -> type[OwnedRow]:
    return cast("type[OwnedRow]", TABLES_BY_NAME[cast("str", table.value)])


def changed_fields(table: str, columns: frozenset[str], role: Role) -> list[str]:
    """The fields of a table's GraphQL type that show one of these columns to a role."""
    shown = columns.difference(TABLES_BY_NAME[table].spec.rights.hidden.get(role, ()))
    return [name for name, made_of in _fields(table) if not shown.isdisjoint(made_of)]


@cache
def _fields(table: str) -> list[tuple[str, frozenset[str]]]:
    """The fields of a table's GraphQL type, each with the columns that it is made of."""
    definition = get_object_definition(type_of(TABLES_BY_NAME[table]), strict=True)
    return [(each.graphql_name or to_camel_case(each.python_name), frozenset(_made_of(each))) for each in definition.fields]


def _made_of(each: Any) -> Collection[str]:
    declared: Collection[str] | None = each.metadata.get(COLUMNS)
    return [each.python_name] if declared is None else declared
