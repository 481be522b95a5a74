import csv
import io
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from resolvers.import_rows import LONGEST_ROW, Header, Record, lines_of, read_csv, read_json_lines

COLUMNS = {"name": "name", "taxrate": "taxRate"}


async def pieces(content: bytes, size: int = 3) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def csv_of(content: str | bytes, size: int = 3) -> list[Record]:
    encoded = content if isinstance(content, bytes) else content.encode()
    return [record async for record in read_csv(lines_of(pieces(encoded, size)), COLUMNS)]


async def json_of(content: str) -> list[Record]:
    return [record async for record in read_json_lines(lines_of(pieces(content.encode())), COLUMNS)]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_a_table_is_read_however_it_comes(mark: str, end: str, size: int) -> None:
    content = mark + end.join(["Name,Tax rate", 'Tea,"7"', "", '"Cake, ""big""",', '" Two\nlines ",19', "Last,1"])
    assert await csv_of(content, size) == [
        Record(2, {"name": "Tea", "taxRate": "7"}),
        Record(4, {"name": 'Cake, "big"'}),
        Record(5, {"name": "Two\nlines", "taxRate": "19"}),
        Record(6, {"name": "Last", "taxRate": "1"}),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
async def test_other_delimiters_are_known_by_the_header(delimiter: str) -> None:
    assert await csv_of(f"name{delimiter}taxRate\nTea{delimiter}7") == [Record(2, {"name": "Tea", "taxRate": "7"})]


async def test_a_quote_within_a_cell_is_a_quote() -> None:
    rows = ['Nail 5",1', "Tea,2", 'Screw 3",3', 'a "b, 4', '"Two\nlines",5', '"x"y",6', "Last,7"]
    assert await csv_of("\n".join(["name,taxRate", *rows])) == [
        Record(2, {"name": 'Nail 5"', "taxRate": "1"}),
        Record(3, {"name": "Tea", "taxRate": "2"}),
        Record(4, {"name": 'Screw 3"', "taxRate": "3"}),
        Record(5, {"name": 'a "b', "taxRate": "4"}),
        Record(6, {"name": "Two\nlines", "taxRate": "5"}),
        Record(7, {}, fault="is no CSV: ',' expected after '\"'"),
        Record(8, {"name": "Last", "taxRate": "7"}),
    ]


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="'"))


@given(st.lists(st.tuples(TEXTS, st.text(st.sampled_from('a",\n; '))), max_size=5))
async def test_what_is_written_as_csv_is_read_again(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("name", "taxRate"), *rows])
    found = await csv_of(text.getvalue(), 7)
    assert [(record.cells.get("name", ""), record.cells.get("taxRate", "")) for record in found] == [
        (name.strip(), rate.strip()) for name, rate in rows
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 1: there is no header"),
        (b"\n\n", "row 1: there is no header"),
        (b"name,size\nTea,1", "row 1: there is no column called “size”"),
        (b"name,Name\nTea,1", "row 1: the column name is there twice"),
        (b'name\n"Tea\nCake\n', "row 2: a quote is opened in it and never closed"),
        (b'name\n"' + b"Tea\n" * LONGEST_ROW, "row 2: a quote is opened in it and not closed for a long time"),
        (b"name\n" + b"x" * (LONGEST_ROW + 1) + b"\nTea", "row 2: is longer than"),
        (b"name\nT\xe9", "row 2: is not in UTF-8"),
        ("name\nTea".encode("utf-16"), "row 1: is not in UTF-8"),
    ],
)
async def test_a_table_that_cannot_be_read_says_in_which_row(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        await csv_of(content, 100_000)


async def test_a_row_that_never_ends_is_not_waited_for() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(InvalidInputError, match="is longer than"):
        await anext(aiter(lines_of(endless())))
    assert taken <= LONGEST_ROW // 1000 + 1


async def test_a_bad_row_spoils_no_other() -> None:
    [short, long, unquoted, good] = await csv_of('name,taxRate\nTea\nTea,1,2\n"Tea"x,"1"\nTea,1')
    assert (short.number, short.fault) == (2, "has 1 cells, and the header 2")
    assert (long.number, long.fault) == (3, "has 3 cells, and the header 2")
    assert unquoted.number == 4
    assert str(unquoted.fault).startswith("is no CSV")
    assert good == Record(5, {"name": "Tea", "taxRate": "1"})


async def test_json_lines_are_objects_of_plain_values() -> None:
    content = (
        '{"name": "Tea", "taxRate": null}\n\n[1]\n{"name": {}}\n{"name": 1, "name": 2}\n{"size": 1}\nnull\n{"name": "\\ud800"}\n'
        + "[" * 2000
    )
    first, *bad = await json_of(content)
    assert first == Record(1, {"name": "Tea"}, typed=True)
    assert [record.number for record in bad] == [3, 4, 5, 6, 7, 8, 9]
    faults = ["plain values", "plain values", "same name twice", "no column called “size”", "plain values", "is no JSON", "is no JSON"]
    assert [fault in str(record.fault) for fault, record in zip(faults, bad, strict=True)] == [True] * 7


def test_a_header_makes_records_of_cells_that_come_from_elsewhere() -> None:
    assert Header(["NAME", "tax_rate"], COLUMNS).record(7, ["'=1", " 5 "]) == Record(7, {"name": "=1", "taxRate": "5"})
    assert Header(["name"], COLUMNS).record(7, ["'=1"], disguised=False) == Record(7, {"name": "'=1"})
