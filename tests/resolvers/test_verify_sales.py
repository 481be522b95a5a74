"""Sales are what their items, refunds and numbers say: each figure that is wrong is named."""

from datetime import timedelta

import pytest

from datastore.schema import Counter, Refund, RefundItem, Sale, SaleItem, Settings
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.broken_books import Break, assert_named, first, off_by_one, plus
from tests.resolvers.shop import adjust, make_product
from tests.resolvers.till import line, refund, sell

pytestmark = pytest.mark.slow

GIVEN_BACK = {"refunded_quantity": {"$gt": 0}}
BREAKS = [
    *(off_by_one(Sale, column, "its items make") for column in ("subtotal_minor", "discount_minor", "tax_minor", "total_minor")),
    off_by_one(Sale, "refunded_minor", "its refunds make"),
    off_by_one(SaleItem, "tax_minor", "its rate makes"),
    off_by_one(SaleItem, "total_minor", "its price, discount and tax make"),
    off_by_one(SaleItem, "refunded_quantity", "its refunds make"),
    off_by_one(SaleItem, "refunded_minor", "its refunds make", GIVEN_BACK),
    off_by_one(SaleItem, "refunded_tax_minor", "its refunds make", GIVEN_BACK),
    off_by_one(SaleItem, "refunded_tax_minor", "the tax in what was given back is", GIVEN_BACK),
    off_by_one(Refund, "amount_minor", "its items make"),
    off_by_one(Refund, "tax_minor", "its items make"),
    Break(
        "a sale on a day too early", Sale, {"sold_on": "2026-01-01"}, r"^sale {id}: sold_on is 2026-01-01, but \S+ is on that day nowhere$"
    ),
    Break("a sale on no day", Sale, {"sold_on": "2026-02-30"}, r"^sale {id}: sold_on is 2026-02-30, but \S+ is on that day nowhere$"),
    Break("a sale in no hour", Sale, {"sold_hour": 24}, "^sale {id}: sold_hour is 24, but a day has the hours 0 to 23$"),
    Break(
        "a sale half a day and more too late",
        Sale,
        lambda before: {"sold_at": before["sold_at"] - timedelta(hours=18)},
        r"^sale {id}: sold_hour is {sold_hour} on {sold_on}, but \S+ is in that hour nowhere$",
    ),
    Break(
        "a refund on another day",
        Refund,
        {"refunded_on": "2026-01-01"},
        r"^refund {id}: refunded_on is 2026-01-01, but \S+ is on that day nowhere$",
    ),
    Break(
        "an item at another place",
        SaleItem,
        {"position": 7},
        r"^sale {sale_id}: its items stand at the positions \[.*7\], but not from 0 to",
    ),
    Break(
        "a refunded item at another place",
        RefundItem,
        {"position": 7},
        r"^refund {refund_id}: its items stand at the positions \[.*7\], but not from 0 to",
    ),
    Break(
        "an item that is gone",
        SaleItem,
        None,
        r"^sale {sale_id}: total_minor is \d+, but its items make \d+$",
        {"total_minor": {"$gt": 0}},
    ),
    Break(
        "an item of more pieces",
        SaleItem,
        plus("quantity", 1),
        r"^sale {sale_id}: subtotal_minor is \d+, but its items make \d+$",
    ),
    Break(
        "a sale given back that was not",
        Sale,
        {"status": "REFUNDED"},
        "^sale {id}: status is REFUNDED, but its items say COMPLETED$",
        {"status": "COMPLETED"},
    ),
    Break(
        "a refund not told of", Sale, {"status": "COMPLETED"}, "^sale {id}: status is COMPLETED, but .* REFUNDED$", {"status": "REFUNDED"}
    ),
    Break(
        "a sale called off that was not",
        Sale,
        {"status": "VOIDED"},
        "^sale {id}: status is VOIDED, but its items say COMPLETED$",
        {"status": "COMPLETED"},
    ),
    Break(
        "a refund of a part that is more than the part",
        RefundItem,
        plus("amount_minor", 3),
        r"^refund {refund_id}: amount_minor is (\d+), but its items make (?!\1)\d+$",
    ),
    Break("a refund that is gone", Refund, None, r"^sale {sale_id}: refunded_minor is {amount_minor}, but its refunds make 0$"),
    Break(
        "a number that was never given",
        Sale,
        {"number": 100_000},
        r"^sale {id}: number is 100000, but the next of its account is \d+$",
        {"number": 7},
    ),
    Break("a number that is missing", Sale, None, r"^sale \w+: number is 10, but the next of its account is 9$", {"number": 9}),
    Break("a number of a refund", Refund, {"number": 50}, r"^refund {id}: number is 50, but the next of its account is \d+$"),
    Break(
        "a counter that is too far",
        Counter,
        plus("value", 1),
        "^account {account_id}: the counter of sales is {new_value}, but the last number is {value}$",
        {"series": "sales"},
    ),
    Break(
        "a counter that is gone",
        Counter,
        None,
        "^account {account_id}: the counter of refunds is 0, but the last number is {value}$",
        {"series": "refunds"},
    ),
    *(
        Break(f"a foreign currency in {table.spec.name}", table, {"currency": "USD"}, "{id}: currency is USD, but its account's is EUR$")
        for table in (Sale, SaleItem, Refund, RefundItem)
    ),
    Break(
        "a currency that may be changed",
        Settings,
        {"currency_fixed": False},
        "^settings {id}: currency_fixed is False, but amounts are stored in EUR, that of product prd_.* among them$",
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_figure_of_sales_that_is_wrong_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)


async def test_pieces_that_went_back_without_having_been_taken_are_named(kept_books: Services) -> None:
    gone_back = await first(kept_books.database, RefundItem, {"restocked": True})
    says = "^sale item {id}: its stock_taken is false, but a refund of it went back on the shelf$"
    await assert_named(kept_books, Break("never taken", SaleItem, {"stock_taken": False}, says, {"_id": gone_back["sale_item_id"]}))


async def test_a_refund_that_says_it_is_of_another_sale_is_named_whatever_it_comes_to(api: Api, owner: Person, services: Services) -> None:
    sample = await make_product(api, owner, "Sample", "0.00")
    await adjust(api, owner, sample["id"], 2)
    given_back, other = [await sell(api, owner, line(sample)) for _ in range(2)]
    await refund(api, owner, given_back)
    says = f"^sale item {given_back['items'][0]['id']}: refunded_quantity is 1, but its refunds make 0$"
    await assert_named(services, Break("another's", Refund, {"sale_id": other["id"]}, says))
