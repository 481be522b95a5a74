import io
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from datastore.schema import Product
from datastore.scope import Scope
from resolvers.table_files import csv_chunks, file_chunks, json_chunks, sheet_chunks
from resolvers.table_texts import Column, Columns
from tests.datastore.samples import product

COLUMNS: Columns[Product] = (Column("name", lambda row: row.name), Column("stock", lambda row: row.stock))
Chunks = Callable[[Columns[Product], AsyncGenerator[list[Product], None]], AsyncGenerator[bytes, None]]


class Batches:
    """Two batches of one product each, and whether they were closed."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.closed = scope, False

    async def rows(self) -> AsyncGenerator[list[Product], None]:
        try:
            yield [product(self.scope, name="Tea")]
            yield [product(self.scope, name="=Mug", stock=3)]
        finally:
            self.closed = True


async def whole(chunks: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_csv_begins_with_its_header_also_where_there_are_no_rows(scope: Scope) -> None:
    assert await whole(csv_chunks(COLUMNS, Batches(scope).rows(), bom=True)) == "\ufeffname,stock\r\nTea,10\r\n'=Mug,3\r\n".encode()

    async def nothing() -> AsyncGenerator[list[Product], None]:
        for batch in list[list[Product]]():
            yield batch

    assert await whole(csv_chunks(COLUMNS, nothing())) == b"name,stock\r\n"


async def test_json_lines_are_one_object_a_row(scope: Scope) -> None:
    assert await whole(json_chunks(COLUMNS, Batches(scope).rows())) == b'{"name":"Tea","stock":10}\n{"name":"=Mug","stock":3}\n'


async def test_a_spreadsheet_has_the_same_rows_and_leaves_nothing_on_the_disk(
    scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = await whole(sheet_chunks(COLUMNS, Batches(scope).rows()))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert rows == [["name", "stock"], ["Tea", 10.0], ["=Mug", 3.0]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chunks", [csv_chunks, json_chunks, sheet_chunks])
async def test_whoever_wants_no_more_closes_what_is_read(chunks: Chunks, scope: Scope) -> None:
    batches = Batches(scope)
    reading: Any = chunks(COLUMNS, batches.rows())
    await anext(reading)
    await reading.aclose()
    assert batches.closed


async def test_a_file_comes_in_pieces_that_make_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 3_000_000)
    pieces = [piece async for piece in file_chunks(path)]
    assert len(pieces) == 3
    assert b"".join(pieces) == path.read_bytes()
