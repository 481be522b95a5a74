"""Spreadsheets that we write and read, and such as somebody sends who means harm."""

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from datastore.errors import InvalidInputError
from datastore.schema import Product
from datastore.scope import Scope
from resolvers import sheets
from resolvers.import_rows import Record
from resolvers.sheets import SheetWriter, read_sheet
from resolvers.table_texts import Cell, Column
from tests.datastore.samples import product
from tests.resolvers.sheet_files import book

COLUMNS = {"name": "name", "taxrate": "taxRate"}


async def read(content: bytes) -> list[Record]:
    return [record async for record in read_sheet(content, COLUMNS)]


def repacked(parts: dict[str, bytes], content: bytes | None = None) -> bytes:
    """An XLSX file some of whose parts are others."""
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content or book(("name",), ("Tea",)))) as given,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for part in given.namelist():
            if part not in parts:
                made.writestr(part, given.read(part))
        for part, bytes_ in parts.items():
            made.writestr(part, bytes_)
    return changed.getvalue()


def sheet_with(cells: str) -> bytes:
    """A file whose sheet holds these cells, as XML."""
    begin = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return repacked({"xl/worksheets/sheet1.xml": f"{begin}{cells}</sheetData></worksheet>".encode()})


async def test_rows_are_numbered_as_the_spreadsheet_does_and_empty_ones_passed_over() -> None:
    assert await read(book(("Name", "Tax rate"), ("Tea", 7), ("", ""), ("'=Mug", 19.5), at=2)) == [
        Record(4, {"name": "Tea", "taxRate": "7"}),
        Record(6, {"name": "'=Mug", "taxRate": "19.5"}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no spreadsheet"),
        (b"PK\x03\x04" + bytes(100), "is no spreadsheet"),
        (b"name;taxRate\r\nTea;7", "is no spreadsheet"),
        (repacked({"xl/workbook.xml": b"<nothing"}), "is no spreadsheet"),
        (repacked({"xl/media/zeros.bin": bytes(70 << 20)}), "more than 64 MiB when it is unpacked"),
        (sheet_with('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), "too far out"),
        (book(), "has no header"),
        (book(("name", "size"), ("Tea", 1)), "no column called “size”"),
        (book(("x" * 32_000,) * 40), "more than 1,048,576 characters"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_harms_nobody(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        await read(content)


async def test_who_stops_reading_leaves_no_process_behind() -> None:
    rows = read_sheet(book(("name",), *[(f"Tea {number}" * 50,) for number in range(5_000)]), COLUMNS)
    assert (await anext(rows)).number == 2
    await rows.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(rows)


def _same(cell: Cell, _row: Product) -> Cell:
    return cell


def written(path: Path, rows: list[Product], *cells: Cell) -> list[list[Any]]:
    """What a spreadsheet says whose rows all have these cells."""
    columns: list[Column[Product]] = [Column(f"column {place}", partial(_same, cell)) for place, cell in enumerate(cells)]
    writer = SheetWriter(path, columns)
    writer.add(rows)
    writer.close()
    workbook = CalamineWorkbook.from_path(str(path))
    return [row for name in workbook.sheet_names for row in workbook.get_sheet_by_name(name).to_python()]


def test_values_keep_their_kind_and_texts_are_no_formulas(tmp_path: Path, scope: Scope) -> None:
    moment = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    cells: list[Cell] = [
        "=1+1",
        "https://x.example",
        True,
        7,
        Decimal("-12.50"),
        Decimal("1E+1"),
        moment,
        date(2026, 11, 24),
        None,
        "'x",
        "9",
    ]
    _, row = written(tmp_path / "x.xlsx", [product(scope)], *cells)
    assert row == ["=1+1", "https://x.example", True, 7.0, -12.5, 10.0, datetime(2026, 11, 24, 12, 30), date(2026, 11, 24), "", "'x", "9"]  # noqa: DTZ001


def test_what_is_too_long_for_one_sheet_goes_on_on_the_next(tmp_path: Path, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    assert written(tmp_path / "x.xlsx", [product(scope)] * 4, 1) == [["column 0"], [1.0], [1.0], ["column 0"], [1.0], [1.0]]
