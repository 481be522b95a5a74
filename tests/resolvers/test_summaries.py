from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.keys import KeyValue
from datastore.scope import Scope
from datastore.tables import OwnedRow
from resolvers.summaries import Sums, Tallies, month_of, net_minor
from tests.datastore.samples import reader_of, write

MOMENT = datetime(2026, 3, 31, 12, tzinfo=UTC)
Table = TypeVar("Table", bound=OwnedRow)


def row_of(table: type[Table], **columns: Any) -> Table:
    """A row of which the sums see only these columns."""
    plain: dict[str, Any] = dict.fromkeys(table.model_fields) | columns
    return cast("Table", table.model_construct(None, **plain))


def a_sale(**columns: Any) -> tables.Sale:
    plain = {"total_minor": 1190, "tax_minor": 190, "discount_minor": 10, "payment_method": "CARD", "sold_on": "2026-03-31", "sold_hour": 9}
    return row_of(tables.Sale, **plain | columns)


ITEMS = [
    row_of(tables.SaleItem, product_id="a", quantity=2, total_minor=1000),
    row_of(tables.SaleItem, product_id="b", quantity=1, total_minor=90),
    row_of(tables.SaleItem, product_id="a", quantity=1, total_minor=100),
]
REFUND = row_of(tables.Refund, amount_minor=550, tax_minor=88, payment_method="CASH", refunded_on="2026-04-01")
REFUNDED = [row_of(tables.RefundItem, product_id="a", quantity=1, amount_minor=500)]


def kept(sums: Sums) -> dict[tuple[KeyValue, ...], dict[str, int]]:
    """What is not nothing."""
    found = {key: {column: delta for column, delta in deltas.items() if delta} for key, deltas in sums.items()}
    return {key: deltas for key, deltas in found.items() if deltas}


def test_a_month_starts_on_its_first_day() -> None:
    assert month_of("2026-03-31") == "2026-03-01"


def test_a_sale_counts_for_its_day_and_month_product_method_and_hour() -> None:
    tallies = Tallies()
    tallies.sale(a_sale(), ITEMS)
    sums = {"sales_count": 1, "sales_minor": 1190, "sales_tax_minor": 190, "discount_minor": 10}
    assert kept(tallies.summaries) == {("DAY", "2026-03-31"): sums, ("MONTH", "2026-03-01"): sums}
    whole = {"count": 1, "amount_minor": 1190}
    parts = {
        ("PAYMENT_METHOD", "CARD"): whole,
        ("HOUR", "09"): whole,
        ("PRODUCT", "a"): {"count": 3, "amount_minor": 1100},
        ("PRODUCT", "b"): {"count": 1, "amount_minor": 90},
    }
    assert kept(tallies.breakdowns) == {
        (kind, grain, starts_on, key): part
        for (kind, key), part in parts.items()
        for grain, starts_on in (("DAY", "2026-03-31"), ("MONTH", "2026-03-01"))
    }


def test_a_refund_counts_on_its_own_day_and_leaves_hours_and_numbers_of_sales_alone() -> None:
    tallies = Tallies()
    tallies.refund(REFUND, REFUNDED)
    sums = {"refunds_count": 1, "refunds_minor": 550, "refunds_tax_minor": 88}
    assert kept(tallies.summaries) == {("DAY", "2026-04-01"): sums, ("MONTH", "2026-04-01"): sums}
    assert kept(tallies.breakdowns) == {
        (kind, grain, "2026-04-01", key): part
        for (kind, key), part in {
            ("PAYMENT_METHOD", "CASH"): {"amount_minor": -550},
            ("PRODUCT", "a"): {"count": -1, "amount_minor": -500},
        }.items()
        for grain in ("DAY", "MONTH")
    }


def test_an_expense_counts_for_its_category_or_for_none() -> None:
    tallies = Tallies()
    for category, amount in (("ect_1", 100), (None, 7)):
        tallies.expense(row_of(tables.Expense, amount_minor=amount, tax_minor=1, category_id=category, incurred_on="2026-03-31"))
    sums = {"expenses_count": 2, "expenses_minor": 107, "expenses_tax_minor": 2}
    assert kept(tallies.summaries)["DAY", "2026-03-31"] == sums
    assert kept(tallies.breakdowns)["EXPENSE_CATEGORY", "MONTH", "2026-03-01", "ect_1"] == {"count": 1, "amount_minor": 100}
    assert kept(tallies.breakdowns)["EXPENSE_CATEGORY", "MONTH", "2026-03-01", ""] == {"count": 1, "amount_minor": 7}


def test_what_is_taken_out_again_leaves_nothing() -> None:
    tallies = Tallies()
    entry = row_of(tables.LedgerEntry, amount_minor=-77, occurred_on="2026-03-31")
    expense = row_of(tables.Expense, amount_minor=100, tax_minor=1, category_id=None, incurred_on="2026-03-31")
    for sign in (1, -1):
        tallies.sale(a_sale(), ITEMS, sign)
        tallies.refund(REFUND, REFUNDED, sign)
        tallies.expense(expense, sign)
        tallies.manual(entry, sign)
        assert bool(kept(tallies.summaries)) == (sign == 1)
    assert kept(tallies.breakdowns) == {}


async def test_sums_are_added_to_those_that_are_stored(database: Database, scope: Scope) -> None:
    for sign in (1, 1, -1, 1):
        tallies = Tallies()
        tallies.sale(a_sale(), ITEMS, sign)
        tallies.refund(REFUND, REFUNDED, sign)
        await write(database, scope, tallies.keep)
    db = reader_of(database, scope)
    march = await db.find(tables.Summary, "by_key", "MONTH", "2026-03-01")
    april = await db.find(tables.Summary, "by_key", "DAY", "2026-04-01")
    part = await db.find(tables.Breakdown, "by_key", "PRODUCT", "DAY", "2026-03-31", "a")
    assert march is not None
    assert april is not None
    assert part is not None
    assert (march.sales_count, march.sales_minor, net_minor(march)) == (2, 2380, 2380)
    assert (april.refunds_count, net_minor(april)) == (2, -1100)
    assert (part.count, part.amount_minor) == (6, 2200)


async def test_a_sum_beyond_64_bits_is_refused(database: Database, scope: Scope) -> None:
    for total, refused in ((2**62, False), (2**62 - 1, False), (1, True)):
        tallies = Tallies()
        tallies.sale(a_sale(total_minor=total), [])
        if refused:
            with pytest.raises(InvalidInputError):
                await write(database, scope, tallies.keep)
        else:
            await write(database, scope, tallies.keep)
    row = await reader_of(database, scope).find(tables.Summary, "by_key", "DAY", "2026-03-31")
    assert row is not None
    assert row.sales_minor == 2**63 - 1
