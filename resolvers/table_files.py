"""Tables of any length as files, made piece by piece: CSV, JSON Lines, and spreadsheets (XLSX)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from datastore.tables import Row
from resolvers.sheets import SheetWriter
from resolvers.table_texts import BYTE_ORDER_MARK, Columns, csv_header, csv_lines, json_lines

R = TypeVar("R", bound=Row)

CSV: Final = "text/csv"
JSON_LINES: Final = "application/jsonl"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_PIECE: Final = 1 << 20


async def csv_chunks(columns: Columns[R], batches: AsyncGenerator[Iterable[R], None], *, bom: bool = False) -> AsyncGenerator[bytes, None]:
    """A CSV file, with a byte order mark where `bom` asks for it. Closes the batches, as all of these do."""
    head = BYTE_ORDER_MARK * bom + csv_header(columns)
    async with aclosing(batches):
        async for rows in batches:
            yield (head + csv_lines(columns, rows)).encode()
            head = ""
    if head:
        yield head.encode()


async def json_chunks(columns: Columns[R], batches: AsyncGenerator[Iterable[R], None]) -> AsyncGenerator[bytes, None]:
    """A file of JSON objects, one a line."""
    async with aclosing(batches):
        async for rows in batches:
            yield json_lines(columns, rows)


async def sheet_chunks(columns: Columns[R], batches: AsyncGenerator[Iterable[R], None]) -> AsyncGenerator[bytes, None]:
    """A spreadsheet. It is on the disk as a whole before the first piece comes."""
    with TemporaryDirectory(prefix="tillstream-") as folder:
        path = Path(folder, "sheet.xlsx")
        writer = await asyncio.to_thread(SheetWriter, path, columns)
        try:
            async with aclosing(batches):
                async for rows in batches:
                    await asyncio.to_thread(writer.add, rows)
        finally:
            await asyncio.to_thread(writer.close)
        async with aclosing(file_chunks(path)) as pieces:
            async for piece in pieces:
                yield piece


async def file_chunks(path: Path) -> AsyncGenerator[bytes, None]:
    """What a file on the disk holds."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        file.close()
