"""Sums by day and month are those of the rows, and the ledger says the same: each that is wrong is named."""

from typing import Any, get_args

import pytest

from datastore.schema import Breakdown, LedgerEntry, Sale, Summary
from resolvers.services import Services
from resolvers.verify import verify
from tests.resolvers.broken_books import Break, assert_named, off_by_one, plus, replace

pytestmark = pytest.mark.slow

SUMMED = [name for name in Summary.model_fields if name.endswith(("_count", "_minor"))]
KINDS = get_args(Breakdown.model_fields["kind"].annotation)
SUMMARY = r"summary of account {account_id} \({grain} {starts_on}\)"
BREAKDOWN = r"breakdown of account {account_id} \({kind} {grain} {starts_on} {key}\)"
BREAKS = [
    *(off_by_one(Summary, column, "the rows make", {"grain": grain}, SUMMARY) for column in SUMMED for grain in ("DAY", "MONTH")),
    *(
        off_by_one(Breakdown, column, "the rows make", {"grain": grain, "kind": kind}, BREAKDOWN)
        for column in ("count", "amount_minor")
        for grain in ("DAY", "MONTH")
        for kind in KINDS
    ),
    *(
        Break(
            f"a day whose ledger says otherwise of {column}",
            Summary,
            plus(column, 5),
            f"^{SUMMARY}: {column} is {{new_{column}}}, but the ledger's entries of that day make {{{column}}}$",
            {"grain": "DAY"},
        )
        for column in ("sales_minor", "refunds_minor", "expenses_minor", "manual_minor")
    ),
    Break(
        "a day that is gone",
        Summary,
        None,
        f"^{SUMMARY}: sales_count is 0, but the rows make {{sales_count}}$",
        {"sales_count": {"$gt": 0}},
    ),
    Break(
        "a part that is gone",
        Breakdown,
        None,
        f"^{BREAKDOWN}: amount_minor is 0, but the rows make {{amount_minor}}$",
        {"count": {"$gt": 0}},
    ),
    Break(
        "a sale in another hour",
        Sale,
        {"sold_hour": 3},
        r"^breakdown of account {account_id} \(HOUR DAY {sold_on} 03\): count is 0, but the rows make 1$",
        {"status": "COMPLETED"},
    ),
    Break(
        "a sale paid in another way",
        Sale,
        {"payment_method": "OTHER"},
        r"^breakdown of account {account_id} \(PAYMENT_METHOD MONTH [\d-]+ OTHER\): count is \d+, but the rows make \d+$",
        {"status": "COMPLETED", "payment_method": "CARD"},
    ),
    Break(
        "money that came in by hand",
        LedgerEntry,
        plus("amount_minor", 1),
        r"^summary of account {account_id} \(DAY {occurred_on}\): manual_minor is -?\d+, but the rows make -?\d+$",
        {"kind": "MANUAL"},
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: f"{one} {one.where.get('grain', '')} {one.where.get('kind', '')}".strip())
async def test_each_sum_that_is_wrong_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)


async def test_a_row_that_counts_nothing_is_as_good_as_none(kept_books: Services) -> None:
    id = Summary.new_id()
    reply = await kept_books.database.command({"find": "summaries", "limit": 1})
    [row] = reply["cursor"]["firstBatch"]
    empty: dict[str, Any] = row | dict.fromkeys(SUMMED, 0) | {"_id": id, "starts_on": "2031-05-01"}
    await replace(kept_books.database, Summary, id, empty)
    try:
        assert (await verify(kept_books.database)).findings == ()
    finally:
        await replace(kept_books.database, Summary, id, None)
