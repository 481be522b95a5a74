"""Rows as lines of a table, for spreadsheets (CSV) and programs (JSON Lines): what columns each kind of row has, said once for all formats.

CSV is as RFC 4180 has it: a header, commas, CRLF, quotes where needed. A text that a spreadsheet would take for a formula gets an
apostrophe in front (OWASP, "CSV Injection"); `undisguised` takes it away again. Amounts are decimal numbers with the currency's decimals,
times are ISO 8601 in UTC.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from typing import Final, Generic, TypeVar

import orjson

from datastore import schema as tables
from datastore.tables import Row
from resolvers.money import from_minor, from_ppm

R = TypeVar("R", bound=Row)

Cell = str | int | bool | Decimal | datetime | date | None
"""A value in a table, of a kind that every format has its own form of."""

BYTE_ORDER_MARK: Final = "\ufeff"
"""What some spreadsheets want at the beginning, to take a file for UTF-8."""

# Excel takes the full-width forms for the same.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001
_DISGUISED: Final = re.compile(r"'+[=+\-@\t\r＝＋－＠]")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column, by the name that it has in the API, and its value of a row."""

    header: str
    value: Callable[[R], Cell]


Columns = Sequence[Column[R]]


def _amount(minor: str) -> Callable[[Row], Cell]:
    def value(row: Row) -> Cell:
        amount = getattr(row, minor)
        return None if amount is None else from_minor(amount, getattr(row, "currency"))  # noqa: B009  rows of several tables

    return value


def _day(column: str) -> Callable[[Row], Cell]:
    return lambda row: date.fromisoformat(getattr(row, column))


TRANSACTIONS: Final[Columns[tables.LedgerEntry]] = (
    Column("id", lambda row: row.id),
    Column("occurredOn", _day("occurred_on")),
    Column("occurredAt", lambda row: row.occurred_at),
    Column("kind", lambda row: row.kind),
    Column("amount", _amount("amount_minor")),
    Column("currency", lambda row: row.currency),
    Column("description", lambda row: row.description),
    Column("sourceId", lambda row: row.source_id),
    Column("reversesId", lambda row: row.reverses_id),
    Column("createdAt", lambda row: row.created_at),
)
"""Of the ledger."""

SALES: Final[Columns[tables.Sale]] = (
    Column("id", lambda row: row.id),
    Column("number", lambda row: row.number),
    Column("soldOn", _day("sold_on")),
    Column("soldAt", lambda row: row.sold_at),
    Column("status", lambda row: row.status),
    Column("paymentMethod", lambda row: row.payment_method),
    Column("paymentStatus", lambda row: row.payment_status),
    Column("currency", lambda row: row.currency),
    Column("subtotal", _amount("subtotal_minor")),
    Column("discount", _amount("discount_minor")),
    Column("tax", _amount("tax_minor")),
    Column("total", _amount("total_minor")),
    Column("refunded", _amount("refunded_minor")),
    Column("customerName", lambda row: row.customer_name),
    Column("customerEmail", lambda row: row.customer_email),
    Column("note", lambda row: row.note),
    Column("createdAt", lambda row: row.created_at),
    Column("updatedAt", lambda row: row.updated_at),
)
"""One line a sale, without what was sold."""


def products_in(categories: Mapping[str, str]) -> Columns[tables.Product]:
    """Of products, whose categories are given by the names that they have by id."""
    return (
        Column("id", lambda row: row.id),
        Column("name", lambda row: row.name),
        Column("description", lambda row: row.description),
        Column("sku", lambda row: row.sku),
        Column("barcode", lambda row: row.barcode),
        Column("category", lambda row: categories.get(row.category_id or "")),
        Column("currency", lambda row: row.currency),
        Column("price", _amount("price_minor")),
        Column("cost", _amount("cost_minor")),
        Column("taxRate", lambda row: None if row.tax_rate_ppm is None else from_ppm(row.tax_rate_ppm)),
        Column("trackStock", lambda row: row.track_stock),
        Column("stock", lambda row: row.stock),
        Column("lowStockThreshold", lambda row: row.low_stock_threshold),
        Column("archived", lambda row: row.archived),
        Column("createdAt", lambda row: row.created_at),
        Column("updatedAt", lambda row: row.updated_at),
    )


def csv_header(columns: Columns[R]) -> str:
    """The first line."""
    return csv_values([[column.header for column in columns]])


def csv_lines(columns: Columns[R], rows: Iterable[R]) -> str:
    """A line for each row."""
    values = [column.value for column in columns]
    return csv_values([[csv_text(value(row)) for value in values] for row in rows])


def json_lines(columns: Columns[R], rows: Iterable[R]) -> bytes:
    """A JSON object for each row, in a line of its own; amounts and rates are decimal strings."""
    pairs = [(column.header, column.value) for column in columns]
    return b"".join([orjson.dumps({name: _json(value(row)) for name, value in pairs}, option=orjson.OPT_APPEND_NEWLINE) for row in rows])


def csv_text(cell: Cell) -> str:
    """A value as it stands in a CSV file."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case str():
            return f"'{cell}" if _FORMULA.match(cell) else cell
        case _:
            return str(_json(cell))


def undisguised(text: str) -> str:
    """A text from a CSV file as it was before `csv_text` kept it from being a formula."""
    return text[1:] if _DISGUISED.match(text) else text


def decimal_text(amount: Decimal) -> str:
    """An amount or a rate in plain digits, without an exponent."""
    return f"{amount:f}"


def time_text(moment: datetime) -> str:
    """A moment as the API writes it: UTC, in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(cell: Cell) -> str | int | bool | None:
    match cell:
        case Decimal():
            return decimal_text(cell)
        case datetime():
            return time_text(cell)
        case date():
            return cell.isoformat()
        case _:
            return cell


def csv_values(lines: Iterable[Sequence[str]]) -> str:
    """Rows of texts as CSV."""
    text = StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()
