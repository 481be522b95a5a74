"""Moving data in and out as files: both are jobs, whose progress can be watched and whose results are files."""

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from datastore.errors import ForbiddenError
from resolvers import export_work, import_work, my_data_work
from resolvers.audit import record
from resolvers.days import LATEST, Days, check_day
from resolvers.functions import MutationContext, mutation
from resolvers.jobs import Job
from resolvers.product_import import MOST_AT_ONCE, MOST_ROWS, Mode
from resolvers.stored_files import usable_file
from resolvers.table_files import CSV, XLSX


@strawberry.enum(description="How a table is written into a file.")
class TableFormat(Enum):
    """Of an export."""

    CSV = strawberry.enum_value("CSV", description="Comma-separated values (RFC 4180), UTF-8.")
    XLSX = strawberry.enum_value("XLSX", description="A spreadsheet, with amounts as numbers and days as dates.")


@strawberry.enum(description="What becomes of the good rows of a table that has bad ones.")
class ImportMode(Enum):
    """Of an import."""

    ALL_OR_NOTHING = strawberry.enum_value(
        "ALL_OR_NOTHING", description=f"Nothing is imported then, and the job fails; the table may have {MOST_AT_ONCE:,} rows."
    )
    SKIP_BAD = strawberry.enum_value("SKIP_BAD", description=f"They are imported, the bad ones left out; it may have {MOST_ROWS:,} rows.")


_MODES: dict[ImportMode, Mode] = {ImportMode.ALL_OR_NOTHING: "all-or-nothing", ImportMode.SKIP_BAD: "skip-bad"}
_TYPES = {TableFormat.CSV: CSV, TableFormat.XLSX: XLSX}


@mutation
async def export_transactions(
    ctx: MutationContext,
    from_: Annotated[date, strawberry.argument(name="from", description="The first day, from 2000 on.")],
    to: Annotated[date, strawberry.argument(description="The last day, not before the first.")],
    format: Annotated[TableFormat, strawberry.argument(description="How they are written.")] = TableFormat.CSV,
) -> Job:
    """Writes the ledger's transactions of some days, the oldest first, into a file: the `file` of the job once it has succeeded.

    Every transaction that was there when the job began is in it once. Its `result` is `{rows}`.
    """
    if ctx.scope.role == "STAFF":
        raise ForbiddenError("Only owners and managers see the ledger.")
    first, last = check_day(from_, LATEST, "from"), check_day(to, LATEST, "to")
    Days.between(from_, to)
    await record(ctx.db, "DATA_EXPORTED", detail=f"transactions from {first} to {last}, {format.value}")
    return Job.of(await ctx.schedule(export_work.export_transactions, {"first": first, "last": last, "content_type": _TYPES[format]}))


@mutation
async def import_products(
    ctx: MutationContext,
    file_id: Annotated[strawberry.ID, strawberry.argument(description="The id of a file: CSV, JSON Lines or a spreadsheet (XLSX).")],
    mode: Annotated[ImportMode, strawberry.argument(description="What becomes of good rows beside bad ones.")] = ImportMode.ALL_OR_NOTHING,
    upsert: Annotated[
        bool, strawberry.argument(description="Whether a row whose SKU there is already changes that product; else it is a bad row.")
    ] = True,
) -> Job:
    """Makes and changes products by the rows of a table, found by their SKU.

    Its columns are name, description, sku, barcode, category (by name), currency, price, cost, taxRate, trackStock, stock and
    lowStockThreshold, as an export has them. A cell that is empty leaves a product as it is. The `result` of the job is
    `{rows, created, updated, unchanged, failed, problems: [{row, column, message}]}` with the first hundred problems; its `file` lists
    a thousand.
    """
    if ctx.scope.role == "STAFF":
        raise ForbiddenError("Only owners and managers change products.")
    file = await usable_file(ctx.db, file_id, "fileId", kinds=import_work.TYPES)
    return Job.of(await ctx.schedule(import_work.import_products, {"file_id": file.id, "mode": _MODES[mode], "upsert": upsert}))


@mutation
async def export_my_data(ctx: MutationContext) -> Job:
    """Gathers all that is kept about you: the `result` of the job, `{profile, sessions, membership}`.

    For an OWNER its `file` is a ZIP file that has all rows of the business as well. Nobody but you is told the result or can
    fetch the file.
    """
    await record(ctx.db, "DATA_EXPORTED", subject=ctx.scope.user_id, detail="all data of a person")
    return Job.of(await ctx.schedule(my_data_work.export_my_data, {}))
