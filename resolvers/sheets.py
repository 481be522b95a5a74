"""Spreadsheets (XLSX, ECMA-376) in little memory: a million rows written one by one, and rows read from files that may be bombs.

Whoever sends a spreadsheet of a few kilobytes can make its reader unpack gigabytes, or lay out a table with one cell in its last corner.
So a process of its own reads it (`sheet_reader.py`), with a limit of memory and of time, and gives row after row.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, Generic, TypeVar

import orjson
import xlsxwriter
from xlsxwriter.format import Format

from datastore.errors import InvalidInputError
from datastore.tables import Row
from resolvers import sheet_reader
from resolvers.import_rows import Header, Record
from resolvers.table_texts import Cell, Columns

R = TypeVar("R", bound=Row)

MOST_ROWS: Final = 1_048_576
"""Of one sheet, its header included; what is more goes on on the next."""

MOST_BYTES: Final = 1 << 24
"""Of a spreadsheet that is read."""

_LONGEST_TEXT: Final = 32_767
_LONGEST_LINE: Final = 1 << 20


class SheetWriter(Generic[R]):
    """Writes rows to an XLSX file, each at once to the disk. Its methods are for threads: they compute and write.

    Amounts and rates are numbers with their decimals, days and times (UTC) are dates, and no text becomes a formula or a link.
    """

    def __init__(self, path: Path, columns: Columns[R]) -> None:
        options = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(str(path), {**options, "remove_timezone": False, "use_zip64": True})
        self._columns = columns
        self._formats: dict[str, Format] = {}
        self._heading = self._book.add_format({"bold": True})
        self._begin_sheet()

    def add(self, rows: Iterable[R]) -> None:
        """Writes rows."""
        for row in rows:
            if self._row == MOST_ROWS:
                self._begin_sheet()
            for place, column in enumerate(self._columns):
                self._write(place, column.value(row))
            self._row += 1

    def close(self) -> None:
        """Completes the file."""
        self._book.close()

    def _begin_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._columns) - 1, 18)
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column.header, self._heading)
        self._row = 1

    def _write(self, place: int, cell: Cell) -> None:
        sheet, row = self._sheet, self._row
        match cell:
            case None:
                return
            case bool():
                sheet.write_boolean(row, place, cell)
            case int():
                sheet.write_number(row, place, cell)
            case Decimal():
                decimals = max(0, -int(cell.as_tuple().exponent))
                sheet.write_number(row, place, float(cell), self._format("0." + "0" * decimals if decimals else "0"))
            case datetime():
                moment = cell.astimezone(UTC).replace(tzinfo=None)
                sheet.write_datetime(row, place, moment, self._format("yyyy-mm-dd hh:mm:ss"))
            case date():
                sheet.write_datetime(row, place, cell, self._format("yyyy-mm-dd"))
            case str():
                sheet.write_string(row, place, cell[:_LONGEST_TEXT])

    def _format(self, code: str) -> Format:
        if code not in self._formats:
            self._formats[code] = self._book.add_format({"num_format": code})
        return self._formats[code]


async def read_sheet(content: bytes, columns: Mapping[str, str]) -> AsyncGenerator[Record, None]:
    """The rows of the first sheet of an XLSX file, whose first row names the columns; rows without any content are passed over.

    Raises InvalidInputError for what is no such file, holds more than can be read, or has a header that names no such columns.
    """
    header, number = None, 0
    async with aclosing(_rows_of(content)) as rows:
        async for cells in rows:
            number += 1
            if not any(cells):
                continue
            if header is None:
                header = Header([cell.strip() for cell in cells], columns, number=number)
            else:
                yield header.record(number, cells, disguised=False)
    if header is None:
        raise InvalidInputError.of("file", "the spreadsheet has no header")


async def _rows_of(content: bytes) -> AsyncGenerator[list[str], None]:
    """The cells of each row as texts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", sheet_reader.__file__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_LINE,
    )
    feeding = asyncio.create_task(_feed(process, content))
    try:
        while line := await _line(process):
            yield orjson.loads(line)
        await feeding
        if await process.wait():
            raise InvalidInputError.of("file", _REFUSALS.get(process.returncode or 0, _UNREADABLE))
    finally:
        feeding.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait([feeding])
        await process.communicate()  # what it wrote before it was killed holds its pipe open


async def _feed(process: asyncio.subprocess.Process, content: bytes) -> None:
    if process.stdin is not None:
        with suppress(ConnectionError):  # it ended before it had read all: its exit code says why
            process.stdin.write(content)
            await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()


async def _line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise TypeError("the reader was started without a pipe")
    try:
        return await process.stdout.readline()
    except ValueError:
        raise InvalidInputError.of("file", f"a row has more than {_LONGEST_LINE:,} characters") from None


_UNREADABLE: Final = "is no spreadsheet (XLSX) that can be read: it is damaged, or one row or column lies too far out"
_REFUSALS: Final = {
    sheet_reader.TOO_LARGE: f"the spreadsheet holds more than {sheet_reader.MOST_UNPACKED >> 20} MiB when it is unpacked",
    sheet_reader.NO_SPREADSHEET: "is no spreadsheet (XLSX)",
}
