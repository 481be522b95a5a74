"""The REST API's imports and exports: tables that are read and written piece by piece, however long they are."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from pydantic import BaseModel, Field

from datastore.errors import InvalidInputError
from datastore.tables import Row
from resolvers.audit import record_export
from resolvers.days import Days
from resolvers.exports import all_products, all_sales, category_names, ledger_entries
from resolvers.import_rows import lines_of, read_csv, read_json_lines
from resolvers.product_import import COLUMNS, ImportReport, Mode, import_products
from resolvers.rest_models import IN, Day
from resolvers.routes import Download, RouteContext, Upload, route
from resolvers.table_files import CSV, JSON_LINES, csv_chunks, json_chunks
from resolvers.table_texts import SALES, TRANSACTIONS, Columns, products_in
from resolvers.transactions import TransactionKind

_ALSO_JSON_LINES: Final = "application/x-ndjson"

MOST_BYTES: Final = 1 << 26
"""Of a table that is imported."""


class PeriodQuery(BaseModel):
    """Which days."""

    model_config = IN

    from_: Day | None = Field(default=None, alias="from", description="Only what is of this day or later.")
    to: Day | None = Field(default=None, description="Only what is of this day or earlier.")
    bom: bool = Field(default=False, description="Of CSV: begin with a byte order mark, as some spreadsheets want.")


class LedgerQuery(PeriodQuery):
    """Which entries of the ledger."""

    kind: TransactionKind | None = Field(default=None, description="Only transactions of this kind.")


class ProductsExportQuery(BaseModel):
    """How."""

    model_config = IN

    bom: bool = Field(default=False, description="Of CSV: begin with a byte order mark, as some spreadsheets want.")


class ImportQuery(BaseModel):
    """How to import."""

    model_config = IN

    mode: Mode = Field(
        default="all-or-nothing",
        description="What becomes of the good rows where others are bad: nothing (of 1,000 rows at most), or they are imported.",
    )
    upsert: bool = Field(default=True, description="Whether a row whose SKU there is already changes that product; else it is a bad row.")


@route("POST", "/import/products", "PRODUCTS_WRITE", media_types=(CSV, JSON_LINES, _ALSO_JSON_LINES))
async def import_table(ctx: RouteContext, query: ImportQuery, upload: Upload) -> ImportReport:
    """Makes and changes products by the rows of a table, found by their SKU.

    The columns are name, description, sku, barcode, category (by name), price, cost, taxRate, trackStock, stock and lowStockThreshold, as
    an export has them. A cell that is empty leaves a product as it is. 422 where nothing was imported, with the report.
    """
    lines = lines_of(_bounded(upload.chunks))
    records = read_csv(lines, COLUMNS) if upload.media_type == CSV else read_json_lines(lines, COLUMNS)
    return await import_products(ctx.mutate, records, mode=query.mode, upsert=query.upsert)


@route("GET", "/export/transactions.csv", "TRANSACTIONS_READ", media_types=(CSV,))
async def export_transactions_csv(ctx: RouteContext, query: LedgerQuery) -> Download:
    """The ledger as CSV, the oldest first. Every entry that was there when the export began is in it once."""
    return await _recorded(ctx, _csv("transactions", TRANSACTIONS, _entries(ctx, query), bom=query.bom))


@route("GET", "/export/transactions.jsonl", "TRANSACTIONS_READ", media_types=(JSON_LINES,))
async def export_transactions_jsonl(ctx: RouteContext, query: LedgerQuery) -> Download:
    """The ledger as JSON Lines, the oldest first. Every entry that was there when the export began is in it once."""
    return await _recorded(ctx, _jsonl("transactions", TRANSACTIONS, _entries(ctx, query)))


@route("GET", "/export/sales.csv", "SALES_READ", media_types=(CSV,))
async def export_sales_csv(ctx: RouteContext, query: PeriodQuery) -> Download:
    """The sales as CSV, the oldest first, without their items. Every sale that was there when the export began is in it once."""
    return await _recorded(ctx, _csv("sales", SALES, ctx.stream(all_sales, _days(query)), bom=query.bom))


@route("GET", "/export/sales.jsonl", "SALES_READ", media_types=(JSON_LINES,))
async def export_sales_jsonl(ctx: RouteContext, query: PeriodQuery) -> Download:
    """The sales as JSON Lines, the oldest first, without their items. Every sale that was there when the export began is in it once."""
    return await _recorded(ctx, _jsonl("sales", SALES, ctx.stream(all_sales, _days(query))))


@route("GET", "/export/products.csv", "PRODUCTS_READ", media_types=(CSV,))
async def export_products_csv(ctx: RouteContext, query: ProductsExportQuery) -> Download:
    """The products as CSV, archived ones last: what an import takes."""
    return await _recorded(ctx, _csv("products", await _products(ctx), ctx.stream(all_products), bom=query.bom))


@route("GET", "/export/products.jsonl", "PRODUCTS_READ", media_types=(JSON_LINES,))
async def export_products_jsonl(ctx: RouteContext) -> Download:
    """The products as JSON Lines, archived ones last: what an import takes."""
    return await _recorded(ctx, _jsonl("products", await _products(ctx), ctx.stream(all_products)))


async def _products(ctx: RouteContext) -> Columns[Any]:
    names: dict[str, str] = {}
    async for some in ctx.stream(category_names):
        names |= some
    return products_in(names)


def _entries(ctx: RouteContext, query: LedgerQuery) -> AsyncGenerator[tuple[Row, ...], None]:
    return ctx.stream(ledger_entries, _days(query), None if query.kind is None else str(query.kind.value))


def _days(query: PeriodQuery) -> Days:
    return Days.between(query.from_, query.to)


async def _recorded(ctx: RouteContext, download: Download) -> Download:
    """The download, which the trail of the business has from now on."""
    await ctx.mutate(record_export, what=download.name)
    return download


def _csv(name: str, columns: Columns[Any], batches: AsyncGenerator[Any, None], *, bom: bool) -> Download:
    return Download(f"{name}.csv", CSV, csv_chunks(columns, batches, bom=bom))


def _jsonl(name: str, columns: Columns[Any], batches: AsyncGenerator[Any, None]) -> Download:
    return Download(f"{name}.jsonl", JSON_LINES, json_chunks(columns, batches))


async def _bounded(chunks: Any) -> AsyncIterator[bytes]:
    length = 0
    async for chunk in chunks:
        length += len(chunk)
        if length > MOST_BYTES:
            raise InvalidInputError.of("body", f"may have {MOST_BYTES:,} bytes at most")
        yield chunk
