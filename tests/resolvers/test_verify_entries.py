"""Every sale, refund and expense has its entries in the ledger, and no others: each that is wrong is named."""

from typing import Any

import pytest

from datastore.schema import Expense, ExpenseCategory, LedgerEntry, RecurringExpense, Sale
from resolvers.services import Services
from resolvers.verify import verify
from tests.resolvers.broken_books import Break, assert_named, off_by_one, plus, replace

pytestmark = pytest.mark.slow

OF_SALE = {"kind": "SALE", "reverses_id": None}
REVERSAL = {"reverses_id": {"$ne": None}}
NOWHERE = "txn_00000000000000000000000000"
BREAKS = [
    *(
        Break(
            f"a sum that is not that of the {noun}",
            LedgerEntry,
            plus("amount_minor", 1),
            f"^transaction {{id}} of {noun} {{source_id}}: amount_minor is {{new_amount_minor}}, but the {noun} makes {{amount_minor}}$",
            {"kind": noun.upper(), "description": {"$regex": which}},
        )
        for noun, which in (("refund", "^Refund"), ("expense", "Staff"))
    ),
    Break(
        "another day than the sale's",
        LedgerEntry,
        {"occurred_on": "2026-01-01"},
        "^transaction {id} of sale {source_id}: occurred_on is 2026-01-01, but the sale says {occurred_on}$",
        {"kind": "SALE", "reverses_id": None, "description": "Sale 3"},
    ),
    Break(
        "another kind",
        LedgerEntry,
        {"kind": "REFUND"},
        "^transaction {id} of sale {source_id}: kind is REFUND, but that of a sale is SALE$",
        OF_SALE,
    ),
    Break(
        "an entry that is gone",
        LedgerEntry,
        None,
        "^refund {source_id}: 0 of its 0 ledger entries stand, but exactly one",
        {"kind": "REFUND"},
    ),
    Break(
        "a sale called off whose entry stands",
        LedgerEntry,
        None,
        "^sale {source_id}: 1 of its 1 ledger entries stand, but none may$",
        REVERSAL,
    ),
    Break(
        "a reversal of another sum",
        LedgerEntry,
        plus("amount_minor", -1),
        "^transaction {id}: amount_minor is {new_amount_minor}, but that of what it reverses makes {amount_minor}$",
        REVERSAL,
    ),
    Break(
        "a reversal on another day",
        LedgerEntry,
        {"occurred_on": "2026-01-01"},
        "^transaction {id}: occurred_on is 2026-01-01, but the transaction {reverses_id} that it reverses has {occurred_on}$",
        REVERSAL,
    ),
    Break(
        "a reversal of nothing",
        LedgerEntry,
        {"reverses_id": NOWHERE},
        f"^transaction {{id}}: the transaction {NOWHERE} that it reverses is not there$",
        REVERSAL,
    ),
    Break(
        "an entry of nothing",
        LedgerEntry,
        {"source_id": None},
        "^transaction {id}: its kind is EXPENSE, but its source None$",
        {"kind": "EXPENSE"},
    ),
    Break("an entry about a sale that is not there", Sale, None, "its source {id} is not there$"),
    Break("an entry about an expense that is gone", Expense, None, r"its source {id} is not there, but its -\d+ is not reversed$"),
    Break(
        "an expense that was changed",
        Expense,
        plus("amount_minor", 1),
        r"^transaction \w+ of expense {id}: amount_minor is -{amount_minor}, but the expense makes -{new_amount_minor}$",
    ),
    Break(
        "an expense on another day",
        Expense,
        {"incurred_on": "2026-01-01"},
        r"^transaction \w+ of expense {id}: occurred_on is {incurred_on}, but the expense says 2026-01-01$",
    ),
    off_by_one(ExpenseCategory, "expense_count", "its expenses are"),
    Break(
        "an expense in another category",
        Expense,
        {"category_id": None},
        r"^expense category {category_id}: expense_count is (\d+), but its expenses are (?!\1)\d+$",
        {"category_id": {"$ne": None}},
    ),
    Break(
        "what recurs on a day that is not its",
        RecurringExpense,
        {"next_on": "2031-01-02"},
        r"^recurring expense {id}: next_on is 2031-01-02, but {interval} from {starts_on} it comes on [\d-]+$",
    ),
    Break("what recurs on no day", RecurringExpense, {"next_on": "2031-02-30"}, "^recurring expense {id}: next_on is 2031-02-30, but "),
    Break(
        "what recurs on a day that it was booked for",
        RecurringExpense,
        lambda before: {"next_on": before["starts_on"]},
        r"^recurring expense {id}: next_on is {starts_on}, but it has been booked for [\d-]+$",
    ),
    Break(
        "what recurs after its end",
        RecurringExpense,
        lambda before: {"ends_on": before["starts_on"]},
        "^recurring expense {id}: next_on is {next_on}, but it ends on {starts_on}$",
    ),
    Break(
        "what recurs only in some years",
        RecurringExpense,
        lambda before: {"next_on": f"2046{before['next_on'][4:]}"},
        r"^recurring expense {id}: next_on is {new_next_on}, but 2046-[\d-]+ has not come yet, and it was not booked for that$",
        {"interval": "MONTHLY"},
    ),
    Break(
        "what has ended before its end",
        RecurringExpense,
        {"next_on": None, "ends_on": "2046-12-31"},
        r"^recurring expense {id}: next_on is None, but 2046-[\d-]+ has not come yet, and it was not booked for that$",
    ),
    Break(
        "what has ended without an end",
        RecurringExpense,
        {"next_on": None, "ends_on": None},
        "^recurring expense {id}: next_on is None, but it has no end$",
    ),
    *(
        Break(
            f"a foreign currency in {table.spec.name}",
            table,
            {"currency": "USD"},
            "{id}: currency is USD, but its account's is EUR$",
            {"currency": {"$ne": None}},
        )
        for table in (LedgerEntry, Expense, ExpenseCategory, RecurringExpense)
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_entry_that_is_wrong_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)


async def test_an_entry_that_stands_twice_is_named(kept_books: Services) -> None:
    reply = await kept_books.database.command({"find": "transactions", "filter": OF_SALE, "sort": {"_id": 1}, "limit": 1})
    [entry] = reply["cursor"]["firstBatch"]
    twin: dict[str, Any] = entry | {"_id": NOWHERE}
    await replace(kept_books.database, LedgerEntry, NOWHERE, twin)
    try:
        found = (await verify(kept_books.database)).findings
    finally:
        await replace(kept_books.database, LedgerEntry, NOWHERE, None)
    assert any(line.startswith(f"sale {entry['source_id']}: ") and "ledger entries stand" in line for line in found), found
