import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.schema import Product
from datastore.scope import Scope
from resolvers.table_texts import Cell, Column, Columns, csv_header, csv_lines, csv_text, json_lines, products_in, undisguised
from tests.datastore.samples import product


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-7, "-7"),
        (Decimal("-12.50"), "-12.50"),
        (Decimal("1E+1"), "10"),
        (date(2026, 11, 24), "2026-11-24"),
        (datetime(2026, 11, 24, 12, tzinfo=UTC), "2026-11-24T12:00:00.000Z"),
        ("Tea", "Tea"),
        ("", ""),
        ("a=b", "a=b"),
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
    ],
)
def test_a_value_has_one_form_in_csv_and_is_never_a_formula(cell: Cell, text: str) -> None:
    assert csv_text(cell) == text


@given(st.text(alphabet="=+-@'\t\rab ", max_size=6))
def test_a_disguised_text_is_read_again_as_it_was(text: str) -> None:
    assert undisguised(csv_text(text)) == text
    assert csv_text(text)[:1] not in set("=+-@\t\r")


def test_a_table_is_what_a_reader_of_csv_expects(scope: Scope) -> None:
    names = ["Tea, black", 'Tea "black"', "Tea\nblack", "Tëa 茶"]
    columns: Columns[Product] = (Column("name", lambda row: row.name), Column("price", lambda row: Decimal(row.price_minor)))
    text = csv_header(columns) + csv_lines(columns, [product(scope, name=name) for name in names])
    assert text.startswith('name,price\r\n"Tea, black",250\r\n"Tea ""black""",250\r\n"Tea\nblack",250\r\n')
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))] == ["name", *names]


def test_json_lines_hold_amounts_as_texts_and_the_rest_as_json(scope: Scope) -> None:
    row = product(scope, category_id="pct_1", tax_rate_ppm=100_000, description="=1")
    [line, rest] = json_lines(products_in({"pct_1": "Hot"}), [row]).split(b"\n")
    assert rest == b""
    assert orjson.loads(line) == {
        "id": row.id,
        "name": "Coffee",
        "description": "=1",
        "sku": None,
        "barcode": None,
        "category": "Hot",
        "currency": "EUR",
        "price": "2.50",
        "cost": None,
        "taxRate": "10",
        "trackStock": True,
        "stock": 10,
        "lowStockThreshold": 2,
        "archived": False,
        "createdAt": "2026-11-23T12:00:00.000Z",
        "updatedAt": "2026-11-23T12:00:00.000Z",
    }
