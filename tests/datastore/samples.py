"""Rows for tests, each column given or plain, and ways to store and read them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from datastore.cursors import Cursors
from datastore.database import MAJORITY, Database
from datastore.reading import Reader, Snapshot
from datastore.schema import Product, ProductCategory, StockMovement, User
from datastore.scope import Scope
from datastore.tables import OwnedRow, Row
from datastore.transactions import Transaction, run_transaction
from datastore.versions import BEGINNING, Version
from datastore.writing import Writer

T = TypeVar("T")

CURSORS = Cursors(b"thirty-two bytes that nobody knows")
MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def product(scope: Scope, **columns: Any) -> Product:
    """A product of the scope's account."""
    plain: dict[str, Any] = {
        "id": Product.new_id(),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "account_id": scope.account_id,
        "name": "Coffee",
        "description": "",
        "sku": None,
        "barcode": None,
        "category_id": None,
        "currency": "EUR",
        "price_minor": 250,
        "cost_minor": None,
        "tax_rate_ppm": None,
        "track_stock": True,
        "stock": 10,
        "low_stock_threshold": 2,
        "archived": False,
    }
    return Product(**plain | columns)


def category(scope: Scope, **columns: Any) -> ProductCategory:
    """A category of the scope's account."""
    plain: dict[str, Any] = {
        "id": ProductCategory.new_id(),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "account_id": scope.account_id,
        "name": "Drinks",
        "description": "",
        "position": 1,
        "product_count": 0,
    }
    return ProductCategory(**plain | columns)


def movement(scope: Scope, of: Product, **columns: Any) -> StockMovement:
    """A stock movement of a product."""
    plain: dict[str, Any] = {
        "id": StockMovement.new_id(),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "account_id": scope.account_id,
        "product_id": of.id,
        "delta": 1,
        "stock_after": 1,
        "reason": "found",
        "user_id": scope.user_id,
    }
    return StockMovement(**plain | columns)


def user(**columns: Any) -> User:
    """A user."""
    plain: dict[str, Any] = {"id": User.new_id(), "created_at": MOMENT, "updated_at": MOMENT}
    for name, field in User.model_fields.items():
        plain.setdefault(name, False if field.annotation is bool else name)
    return User(**plain | columns)


async def stored(database: Database, *rows: Row) -> None:
    """Store rows as another program would, past every rule of ours but the validators."""
    by_table: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_table.setdefault(row.spec.name, []).append(row.to_document())
    for name, documents in by_table.items():
        reply = await database.command({"insert": name, "documents": documents, "writeConcern": MAJORITY})
        assert "writeErrors" not in reply, reply


async def count(database: Database, table: type[Row]) -> int:
    """How many rows a table has, whoever owns them."""
    # Not the command "count", which estimates.
    pipeline = [{"$count": "rows"}]
    reply = await database.command({"aggregate": table.spec.name, "pipeline": pipeline, "cursor": {}, "readConcern": {"level": "majority"}})
    return sum(group["rows"] for group in reply["cursor"]["firstBatch"])


def reader_of(database: Database, scope: Scope, floor: Version = BEGINNING) -> Reader:
    """A reader of a fresh snapshot."""
    return Reader(Snapshot(database, floor), scope, CURSORS)


async def write(database: Database, scope: Scope, body: Callable[[Writer], Awaitable[T]]) -> T:
    """What a body returns that writes as the scope, in a transaction of its own."""

    async def with_writer(transaction: Transaction) -> T:
        return await body(Writer(transaction, scope))

    return (await run_transaction(database, with_writer)).value


async def document_of(database: Database, row: OwnedRow) -> dict[str, Any] | None:
    """The row as it is stored."""
    reply = await database.command({"find": row.spec.name, "filter": {"_id": row.id}})
    return next(iter(reply["cursor"]["firstBatch"]), None)
