"""The work of importing products from a file: its rows are checked and written as those that a program sends (`product_import.py`)."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

from datastore import schema as tables
from datastore.errors import NotFoundError
from resolvers.actions import ActionContext, Outcome, PermanentError, action
from resolvers.functions import QueryContext
from resolvers.import_rows import Record, lines_of, read_csv, read_json_lines
from resolvers.product_import import COLUMNS, ImportRefusedError, ImportReport, Mode
from resolvers.product_import import import_products as import_rows
from resolvers.sheets import MOST_BYTES, read_sheet
from resolvers.stored_files import read_stored, store_result
from resolvers.table_files import CSV, XLSX
from resolvers.table_texts import BYTE_ORDER_MARK, csv_text, csv_values

TIMEOUT: Final = 3600.0
MOST_IN_RESULT: Final = 100
"""Problems that the job itself shows; the report has all that were counted."""

JSON_TYPES: Final = ("application/jsonl", "application/x-ndjson", "application/json")
TYPES: Final = (CSV, "text/plain", XLSX, *JSON_TYPES)
"""What a file of products may be."""


@action(attempts=5, first_backoff=10, timeout=TIMEOUT, at_once=1)
async def import_products(ctx: ActionContext, *, file_id: str, mode: Mode, upsert: bool) -> Outcome:
    """Imports the products of a file. Its progress counts rows; its result is the report, its file the list of all problems, if any."""
    file = await ctx.query(_file, id=file_id)
    once = _Once(ctx)
    try:
        async with aclosing(_counted(ctx, _records(ctx, file))) as records:
            report = await import_rows(once.mutate, records, mode=mode, upsert=upsert)
    except ImportRefusedError as refused:
        raise PermanentError(refused.message, await _outcome(ctx, file, refused.report)) from refused
    return await _outcome(ctx, file, report)


class _Once:
    """Carries out each mutation once, however often the job is tried: rows without a SKU would be made twice."""

    def __init__(self, ctx: ActionContext) -> None:
        self._ctx = ctx
        self._done = 0

    async def mutate(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """What came of it, or had come of it."""
        result = await self._ctx.mutate_once(str(self._done), function, **arguments)
        self._done += 1  # not where it failed: tried again, it is still the same step
        return result


async def _file(ctx: QueryContext, id: str) -> tables.File:
    """Raises NotFoundError."""
    row = await ctx.db.get(tables.File, id)
    if row is None:
        raise NotFoundError("The file is gone.")
    return row


def _records(ctx: ActionContext, file: tables.File) -> AsyncIterator[Record]:
    chunks = read_stored(ctx, file.id)
    if file.content_type == XLSX:
        return _sheet(chunks)
    if file.content_type in JSON_TYPES:
        return read_json_lines(lines_of(chunks), COLUMNS)
    return read_csv(lines_of(chunks), COLUMNS)


async def _sheet(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Record, None]:
    """The rows of a spreadsheet, which cannot be read before all of it is there."""
    content = io.BytesIO()
    async for chunk in chunks:
        content.write(chunk)
        if content.tell() > MOST_BYTES:
            raise PermanentError(f"A spreadsheet may have {MOST_BYTES >> 20} MiB at most: send CSV instead.")
    async with aclosing(read_sheet(content.getvalue(), COLUMNS)) as records:
        async for record in records:
            yield record


async def _counted(ctx: ActionContext, records: AsyncIterator[Record]) -> AsyncGenerator[Record, None]:
    count = 0
    async for record in records:
        count += 1
        yield record
        await ctx.progress(count)


async def _outcome(ctx: ActionContext, file: tables.File, report: ImportReport) -> Outcome:
    """The report, and the file of its problems where there are any."""
    result = report.model_dump(mode="json", by_alias=True)
    result["problems"] = result["problems"][:MOST_IN_RESULT]
    if not report.problems:
        return Outcome(result)
    rows = [["row", "column", "message"], *([str(one.row), one.column or "", csv_text(one.message)] for one in report.problems)]

    async def chunks() -> AsyncIterator[bytes]:
        yield (BYTE_ORDER_MARK + csv_values(rows)).encode()

    stem = file.name.rpartition(".")[0] or file.name
    return Outcome(result, await store_result(ctx, name=f"{stem[:150]} – problems.csv", content_type=CSV, chunks=chunks()))
