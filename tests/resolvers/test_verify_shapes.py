"""Rows that are not as their tables say are named, and keep no other check from looking."""

import pytest

from datastore.schema import Expense, LedgerEntry, Product, RecurringExpense, Sale, SaleItem, StockMovement
from resolvers.services import Services
from resolvers.verify import verify
from tests.resolvers.broken_books import Break, assert_named, broken, first, replace

pytestmark = pytest.mark.slow

REST = "; what is checked with it was not all looked at$"
BREAKS = [
    Break("no moment", Sale, {"sold_at": None}, f"^sale {{id}}: sold_at is None, but should be a valid datetime{REST}"),
    Break("a text for a number", SaleItem, {"quantity": "2"}, f"^sale item {{id}}: quantity is 2, but should be a valid integer{REST}"),
    Break("no sum", LedgerEntry, {"amount_minor": None}, f"^transaction {{id}}: amount_minor is None, but should be a valid int.*{REST}"),
    Break("no stock", Product, {"stock": None}, f"^product {{id}}: stock is None, but should be a valid integer{REST}"),
    Break("no name", Product, {"name": None}, f"^product {{id}}: name is None, but should be a valid string{REST}"),
    Break("no delta", StockMovement, {"delta": None}, f"^stock movement {{id}}: delta is None, but should be a valid integer{REST}"),
    Break("a number for a day", Expense, {"incurred_on": 7}, f"^expense {{id}}: incurred_on is 7, but should be a valid string{REST}"),
    Break(
        "no such rhythm", RecurringExpense, {"interval": "DAILY"}, f"^recurring expense {{id}}: interval is DAILY, but should be '.*{REST}"
    ),
    Break(
        "it begins on no day",
        RecurringExpense,
        {"starts_on": "2026-02-30"},
        "^recurring expense {id}: starts_on is 2026-02-30, which is no",
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_row_that_is_not_as_its_table_says_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)


async def test_a_column_that_lacks_is_named(kept_books: Services) -> None:
    before = await first(kept_books.database, Sale, {})
    await replace(kept_books.database, Sale, before["_id"], {name: value for name, value in before.items() if name != "total_minor"})
    try:
        found = (await verify(kept_books.database)).findings
    finally:
        await replace(kept_books.database, Sale, before["_id"], before)
    assert [line for line in found if line.startswith(f"sale {before['_id']}: it has no total_minor;")], found


async def test_what_the_other_checks_find_is_named_as_well(kept_books: Services) -> None:
    moved, sold = Break("", StockMovement, {"delta": None}, ""), Break("", Sale, {"subtotal_minor": 1}, "")
    async with broken(kept_books.database, moved), broken(kept_books.database, sold) as columns:
        found = (await verify(kept_books.database)).findings
    assert [line for line in found if line.startswith(f"sale {columns['id']}: subtotal_minor is 1, but its items make")], found
