"""Reading the rows of a table that somebody sends, as CSV or JSON Lines, piece by piece: nothing is kept but the row that is being read.

CSV is as RFC 4180 has it, with or without a byte order mark, with LF or CRLF, and with commas, semicolons or tabs (what the header has).
"""

import csv
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from datastore.errors import InvalidInputError
from resolvers.table_texts import BYTE_ORDER_MARK, undisguised

LONGEST_ROW: Final = 1 << 16
"""In characters, or bytes before it is decoded; the longest product has half of that."""

_DELIMITERS: Final = ",;\t"


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it was sent: `number` is what a spreadsheet calls it, where the header is row 1, or its line.

    `typed`: its values came as JSON. `fault` says why it could not be read; then it has no cells. A cell that is empty is not in it.
    """

    number: int
    cells: Mapping[str, object]
    typed: bool = False
    fault: str | None = None


class Header:
    """The columns of a table, by the names that `columns` maps what was written to."""

    def __init__(self, written: Sequence[str], columns: Mapping[str, str], *, number: int = 1) -> None:
        """Raises InvalidInputError for columns that there are not, and for one that is there twice."""
        names = [columns.get(plain_name(name)) for name in written]
        for position, (name, text) in enumerate(zip(names, written, strict=True)):
            if name is None:
                raise _at(number, f"there is no column called “{text[:100]}”: the columns are {', '.join(dict.fromkeys(columns.values()))}")
            if name in names[:position]:
                raise _at(number, f"the column {name} is there twice")
        self.names = [str(name) for name in names]

    def record(self, number: int, cells: Sequence[str], *, disguised: bool = True) -> Record:
        """The row that has these cells, in which, if `disguised`, an apostrophe keeps texts from being formulas."""
        if len(cells) != len(self.names):
            return Record(number, {}, fault=f"has {len(cells)} cells, and the header {len(self.names)}")
        plain = (undisguised(cell.strip()) if disguised else cell.strip() for cell in cells)
        filled = dict(zip(self.names, plain, strict=True))
        return Record(number, {name: cell for name, cell in filled.items() if cell})


def plain_name(name: str) -> str:
    """A column's name as it is compared: without case, spaces and the like."""
    return "".join(filter(str.isalnum, name.casefold()))


async def lines_of(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """The lines of a text in UTF-8, without their ends. Raises InvalidInputError for what is no such text, and for too long a line."""
    rest, number = b"", 0
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield _decoded(line, number)
        if len(rest) > LONGEST_ROW:
            raise _at(number + 1, f"is longer than {LONGEST_ROW:,} bytes")
    if rest:
        yield _decoded(rest, number + 1)


async def read_csv(lines: AsyncIterable[str], columns: Mapping[str, str]) -> AsyncIterator[Record]:
    """The rows of a CSV file. Raises InvalidInputError for a header that names no such columns, and for a quote that is never closed."""
    header = None
    async for number, text, delimiter in _rows_of_csv(lines):
        if header is None:
            header = Header(_split(text, number, delimiter), columns, number=number)
            continue
        try:
            cells = _split(text, number, delimiter)
        except InvalidInputError as error:
            yield Record(number, {}, fault=error.fields[0].message)
        else:
            yield header.record(number, cells)
    if header is None:
        raise _at(1, "there is no header")


async def read_json_lines(lines: AsyncIterable[str], columns: Mapping[str, str]) -> AsyncIterator[Record]:
    """The rows of a file of JSON objects, one a line; their names are those that `columns` maps to."""
    known, number = {*columns.values()}, 0
    async for line in lines:
        number += 1
        if line.strip():
            try:
                yield Record(number, _object(line, known), typed=True)
            except ValueError as error:
                yield Record(number, {}, fault=str(error))


async def _rows_of_csv(lines: AsyncIterable[str]) -> AsyncIterator[tuple[int, str, str]]:
    """Each row with its number and the delimiter, which is the one that the first has most of.

    A row is several lines, where a quoted cell has line ends in it.
    """
    parts: list[str] = []
    number, length, opened, delimiter = 0, 0, False, ""
    async for line in lines:
        parts.append(line)
        length += len(line)
        opened = _ends_quoted(line, delimiter, opened=opened, begins=len(parts) == 1)
        if opened:
            if length > LONGEST_ROW:
                raise _at(number + 1, "a quote is opened in it and not closed for a long time")
            continue
        number += 1
        if length:
            text = "\n".join(parts)
            delimiter = delimiter or max(_DELIMITERS, key=text.count)
            yield number, text, delimiter
        parts, length = [], 0
    if parts:
        raise _at(number + 1, "a quote is opened in it and never closed")


def _ends_quoted(line: str, delimiter: str, *, opened: bool, begins: bool) -> bool:
    """Whether a line ends within a quoted cell; `opened`: it begins within one, `begins`: it is the first of its row.

    A quote opens a cell only where that begins: others, as in 5" nails, are what the cell says. Before the delimiter is known, all count.
    """
    if '"' not in line:
        return opened
    if not delimiter:
        return opened != (line.count('"') % 2 == 1)
    place = int(begins and line.startswith('"'))
    opened = opened or place == 1
    while True:
        if not opened:
            place = line.find(f'{delimiter}"', place) + 2
            if place == 1:  # there is none
                return False
        place = line.find('"', place) + 1
        if place == 0:
            return True
        opened = line.startswith('"', place)  # two stand for one
        place += opened


def _split(text: str, number: int, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise _at(number, f"is no CSV: {error}") from None


def _object(line: str, known: set[str]) -> dict[str, object]:
    """The flat JSON object of a line. Raises ValueError."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(value, dict) or any(isinstance(cell, dict | list) for cell in value.values()):
        raise ValueError("is not a JSON object of plain values")
    if len(json.loads(line, object_pairs_hook=list)) != len(value):
        raise ValueError("has the same name twice")
    for name in value:
        if name not in known:
            raise ValueError(f"there is no column called “{name[:100]}”")
    return {name: cell for name, cell in value.items() if cell is not None}


def _decoded(line: bytes, number: int) -> str:
    if len(line) > LONGEST_ROW:
        raise _at(number, f"is longer than {LONGEST_ROW:,} bytes")
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise _at(number, "is not in UTF-8") from None
    return text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text


def _at(number: int, message: str) -> InvalidInputError:
    return InvalidInputError.of(f"row {number}", message)
