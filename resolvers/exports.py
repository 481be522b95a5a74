"""Long lists read to their end, batch by batch: what exports are made of, whatever their format.

Every row that was there when an export began, and is not deleted meanwhile, is in it once. All is from one moment unless the reader takes
longer than the database keeps it (five minutes): see `datastore/row_streams.py`.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from datastore import schema as tables
from datastore.database import Database
from datastore.keys import KeyValue
from datastore.paging import UNBOUNDED, Unbounded
from datastore.row_streams import stream_rows
from datastore.scope import Scope
from datastore.tables import OwnedRow
from resolvers.days import Days

Owned = TypeVar("Owned", bound=OwnedRow)


@dataclass(frozen=True, slots=True)
class RowSource:
    """Reads the rows of one account, and nothing else."""

    database: Database
    scope: Scope

    def rows(
        self,
        table: type[Owned],
        index: str,
        equals: Sequence[KeyValue] = (),
        *,
        low: KeyValue | Unbounded = UNBOUNDED,
        high: KeyValue | Unbounded = UNBOUNDED,
    ) -> AsyncGenerator[tuple[Owned, ...], None]:
        """The account's rows in the order of an index, as `stream_rows` has it."""
        return stream_rows(self.database, self.scope, table, index, equals, low=low, high=high)


def ledger_entries(source: RowSource, days: Days, kind: str | None = None) -> AsyncGenerator[tuple[tables.LedgerEntry, ...], None]:
    """The entries of some days, of one kind where that is given, the oldest first."""
    index, equals = ("by_occurred", ()) if kind is None else ("by_kind", (kind,))
    return source.rows(tables.LedgerEntry, index, equals, low=days.low, high=days.high)


def all_sales(source: RowSource, days: Days) -> AsyncGenerator[tuple[tables.Sale, ...], None]:
    """The sales of some days, the oldest first."""
    return source.rows(tables.Sale, "by_sold", low=days.low, high=days.high)


async def all_products(source: RowSource) -> AsyncGenerator[tuple[tables.Product, ...], None]:
    """All products in the order of their making, those for sale before the archived ones."""
    for archived in (False, True):
        rows = source.rows(tables.Product, "by_created", (archived,))
        try:
            async for batch in rows:
                yield batch
        finally:
            await rows.aclose()


async def category_names(source: RowSource) -> AsyncGenerator[dict[str, str], None]:
    """The names of product categories by their ids."""
    rows = source.rows(tables.ProductCategory, "by_position")
    try:
        async for batch in rows:
            yield {row.id: row.name for row in batch}
    finally:
        await rows.aclose()
