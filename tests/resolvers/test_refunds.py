import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from datastore.database import Database
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import make_product, problems, product_of
from tests.resolvers.till import REFUND_SALE, VOID_SALE, entries, line, refund, refusal, sale_of, sell, void

MISSING_SALE = "sal_01J0000000000000000000000A"
MISSING_ITEM = "sli_01J0000000000000000000000A"
SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"


async def stock_of(api: Api, owner: Person, product: dict[str, Any]) -> int:
    found = await product_of(api, owner, product["id"])
    assert found is not None
    stock: int = found["stock"]
    return stock


async def sold_three(api: Api, owner: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """A product and a sale of three of it at 10.00 together, and one cup."""
    tea = await make_product(api, owner, "Assam", "3.50", stock=10, cost="1.00", taxRate="19")
    cup = await make_product(api, owner, "Cup", "2.00", trackStock=False)
    return tea, await sell(api, owner, line(tea, 3, discount="0.50"), line(cup), paymentMethod="CARD")


async def test_a_part_of_a_sale_is_given_back(api: Api, owner: Person, database: Database) -> None:
    tea, sale = await sold_three(api, owner)
    changed = await refund(api, owner, sale, (0, 1), reason="Cold")
    assert (changed["id"], changed["status"], changed["refunded"], changed["total"]) == (sale["id"], "PARTLY_REFUNDED", "3.33", "12.00")
    assert [(item["refundedQuantity"], item["refunded"]) for item in changed["items"]] == [(1, "3.33"), (0, "0.00")]
    [made] = changed["refunds"]
    expected = {"number": 1, "currency": "USD", "amount": "3.33", "tax": "0.53", "paymentMethod": "CARD", "reason": "Cold"}
    assert {name: made[name] for name in expected} == expected
    assert made["refundedBy"] == {"userId": owner.user_id, "name": "Ada Lovelace"}
    assert made["items"] == [{"name": "Assam", "quantity": 1, "amount": "3.33", "tax": "0.53", "restocked": True}]
    assert await stock_of(api, owner, tea) == 8
    assert (await entries(api, owner))[-1] == ("REFUND", "-3.33", "Refund 1 of sale 1")
    assert await sale_of(api, owner, sale["id"]) == changed
    assert (await verify(database)).findings == ()


async def test_pieces_given_back_one_by_one_add_up_to_what_was_paid(api: Api, owner: Person, database: Database) -> None:
    tea, sale = await sold_three(api, owner)
    for number in range(1, 4):
        sale = await refund(api, owner, sale, (0, 1))
        assert [made["number"] for made in sale["refunds"]] == list(range(1, number + 1))
    assert [made["amount"] for made in sale["refunds"]] == ["3.33", "3.34", "3.33"]
    assert (sale["items"][0]["refunded"], sale["status"]) == ("10.00", "PARTLY_REFUNDED")
    sale = await refund(api, owner, sale)
    assert (sale["status"], sale["refunded"], sale["refunds"][-1]["amount"]) == ("REFUNDED", "12.00", "2.00")
    assert sum(float(made["tax"]) for made in sale["refunds"]) == pytest.approx(float(sale["tax"]))
    assert await stock_of(api, owner, tea) == 10
    assert (await verify(database)).findings == ()


async def test_without_items_all_that_is_left_is_given_back(api: Api, owner: Person, database: Database) -> None:
    _, sale = await sold_three(api, owner)
    await refund(api, owner, sale, (0, 2), (1, 1))
    changed = await refund(api, owner, sale)
    assert [(item["name"], item["quantity"], item["amount"]) for item in changed["refunds"][1]["items"]] == [("Assam", 1, "3.33")]
    assert changed["status"] == "REFUNDED"
    assert (await verify(database)).findings == ()


async def test_goods_that_are_not_put_back_leave_the_stock_as_it_is(api: Api, owner: Person, database: Database) -> None:
    tea, sale = await sold_three(api, owner)
    changed = await refund(api, owner, sale, restock=False)
    assert [item["restocked"] for item in changed["refunds"][0]["items"]] == [False, False]
    assert await stock_of(api, owner, tea) == 7
    assert (await verify(database)).findings == ()


async def test_only_what_was_taken_from_the_stock_goes_back_to_it(api: Api, owner: Person, database: Database) -> None:
    tea, sale = await sold_three(api, owner)
    for id in (tea["id"], sale["items"][1]["product"]["id"]):
        values = {"id": id, "trackStock": id != tea["id"]}
        await api.data("mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }", {"input": values}, caller=owner)
    changed = await refund(api, owner, sale)
    assert [item["restocked"] for item in changed["refunds"][0]["items"]] == [True, False]
    assert await stock_of(api, owner, tea) == 10
    assert await stock_of(api, owner, sale["items"][1]["product"]) == 0
    assert (await verify(database)).findings == ()


async def test_a_refund_counts_on_its_own_day(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, stock=1)
    sale = await sell(api, owner, line(tea), soldAt="2026-10-01T12:00:00Z")
    await api.data(SETTINGS, {"input": {"timeZone": "Pacific/Kiritimati"}}, caller=owner)
    changed = await refund(api, owner, sale)
    [made] = changed["refunds"]
    moment = datetime.fromisoformat(made["refundedAt"])
    assert moment.astimezone(UTC) >= datetime.fromisoformat(sale["createdAt"])
    assert (changed["soldOn"], made["refundedOn"] > "2026-10-01") == ("2026-10-01", True)
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize(
    ("item", "values", "path"),
    [
        ({"quantity": 0}, {}, "input.items.0.quantity"),
        ({"quantity": -1}, {}, "input.items.0.quantity"),
        ({"quantity": 0.5}, {}, "input.items.0.quantity"),
        ({"quantity": 10**12 + 1}, {}, "input.items.0.quantity"),
        ({"itemId": "rfd_01J0000000000000000000000A"}, {}, "input.items.0.itemId"),
        ({"itemId": ""}, {}, "input.items.0.itemId"),
        ({}, {"items": []}, "input.items"),
        ({}, {"reason": "x" * 201}, "input.reason"),
        ({}, {"reason": "a\nb"}, "input.reason"),
        ({}, {"restock": None}, "input.restock"),
        ({}, {"saleId": "rfd_01J0000000000000000000000A"}, "input.saleId"),
        ({}, {"saleId": "\ud800"}, "input.saleId"),
    ],
)
async def test_a_bad_refund_is_refused_by_name(
    api: Api, owner: Person, nothing_written: Unchanged, item: dict[str, Any], values: dict[str, Any], path: str
) -> None:
    _, sale = await sold_three(api, owner)
    given = {"saleId": sale["id"], "items": [{"itemId": sale["items"][0]["id"], "quantity": 1} | item]} | values
    async with nothing_written():
        assert problems(await api.execute(REFUND_SALE, {"input": given}, caller=owner)) == [path]


async def test_an_item_is_given_back_once_in_a_refund_and_at_most_200_are(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    part = {"itemId": sale["items"][0]["id"], "quantity": 1}
    async with nothing_written():
        for count, path in ((2, "input.items.1.itemId"), (201, "input.items")):
            given = {"input": {"saleId": sale["id"], "items": [part] * count}}
            assert problems(await api.execute(REFUND_SALE, given, caller=owner)) == [path]


async def test_more_than_was_bought_is_not_given_back(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    await refund(api, owner, sale, (0, 2))
    for quantity in (2, 10**12):
        given = {"input": {"saleId": sale["id"], "items": [{"itemId": sale["items"][0]["id"], "quantity": quantity}]}}
        async with nothing_written():
            answer = await api.execute(REFUND_SALE, given, caller=owner)
        assert refusal(answer) == ("CONFLICT", "Only 1 of “Assam” are left to give back.")


async def test_what_was_given_back_is_not_given_back_again(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    changed = await refund(api, owner, sale)
    async with nothing_written():
        again = await api.execute(REFUND_SALE, {"input": {"saleId": sale["id"]}}, caller=owner)
        assert refusal(again) == ("CONFLICT", "All of sale 1 was given back already.")
        of_a_refund = await api.execute(REFUND_SALE, {"input": {"saleId": changed["refunds"][0]["id"]}}, caller=owner)
        assert problems(of_a_refund) == ["input.saleId"]


async def test_nothing_of_another_sale_or_business_is_given_back(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    _, mine = await sold_three(api, owner)
    _, other = await sold_three(api, owner)
    _, theirs = await sold_three(api, stranger)
    async with nothing_written():
        for id in (other["items"][0]["id"], theirs["items"][0]["id"], MISSING_ITEM):
            given = {"input": {"saleId": mine["id"], "items": [{"itemId": id, "quantity": 1}]}}
            assert refusal(await api.execute(REFUND_SALE, given, caller=owner)) == (
                "NOT_FOUND",
                "input.items.0.itemId: there is no such item of sale 1.",
            )
        for id in (theirs["id"], MISSING_SALE):
            assert await api.code(REFUND_SALE, {"input": {"saleId": id}}, caller=owner) == "NOT_FOUND"
            assert await api.code(VOID_SALE, {"id": id, "reason": ""}, caller=owner) == "NOT_FOUND"
        assert await api.code(REFUND_SALE, {"input": {"saleId": mine["id"]}}) == "UNAUTHENTICATED"
        assert await api.code(VOID_SALE, {"id": mine["id"], "reason": ""}) == "UNAUTHENTICATED"


async def test_a_sale_that_is_called_off_leaves_everything_as_before(api: Api, owner: Person, database: Database) -> None:
    tea, sale = await sold_three(api, owner)
    changed = await void(api, owner, sale, " Mistyped ")
    assert (changed["status"], changed["voidReason"], changed["total"]) == ("VOIDED", "Mistyped", "12.00")
    assert sale["createdAt"] < changed["voidedAt"] <= changed["updatedAt"]
    assert await stock_of(api, owner, tea) == 10
    assert (await entries(api, owner))[1:] == [("SALE", "-12.00", "Sale 1 voided: Mistyped")]
    assert await api.data("{ balance }", caller=owner) == {"balance": "0.00"}
    assert (await sell(api, owner, line(tea)))["number"] == 2
    assert (await verify(database)).findings == ()


async def test_a_voided_sale_is_neither_voided_again_nor_given_back(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    await void(api, owner, sale)
    async with nothing_written():
        again = await api.execute(VOID_SALE, {"id": sale["id"], "reason": ""}, caller=owner)
        back = await api.execute(REFUND_SALE, {"input": {"saleId": sale["id"]}}, caller=owner)
    assert refusal(again) == refusal(back) == ("CONFLICT", "Sale 1 was voided.")


async def test_a_sale_of_which_money_was_given_back_is_not_voided(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    for parts in ([(1, 1)], []):
        await refund(api, owner, sale, *parts)
        async with nothing_written():
            assert await api.code(VOID_SALE, {"id": sale["id"], "reason": ""}, caller=owner) == "CONFLICT"


async def test_a_reason_to_void_is_one_short_line(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    _, sale = await sold_three(api, owner)
    async with nothing_written():
        for reason in ("x" * 201, "a\nb", "\0", "\ud800"):
            assert problems(await api.execute(VOID_SALE, {"id": sale["id"], "reason": reason}, caller=owner)) == ["reason"]
        assert problems(await api.execute(VOID_SALE, {"id": "prd_x", "reason": ""}, caller=owner)) == ["id"]


async def test_two_refunds_at_once_give_back_no_more_than_was_paid(api: Api, owner: Person, database: Database) -> None:
    _, sale = await sold_three(api, owner)
    given = {"input": {"saleId": sale["id"], "items": [{"itemId": sale["items"][0]["id"], "quantity": 2}]}}
    answers = await asyncio.gather(*(api.execute(REFUND_SALE, given, caller=owner) for _ in range(4)))
    assert [refusal(answer)[0] for answer in answers if "errors" in answer] == ["CONFLICT"] * 3
    found = await sale_of(api, owner, sale["id"])
    assert found is not None
    assert (found["refunded"], len(found["refunds"])) == ("6.67", 1)
    assert (await verify(database)).findings == ()


async def test_of_a_void_and_a_refund_at_once_one_is_done(api: Api, owner: Person, database: Database) -> None:
    tea, _ = await sold_three(api, owner)
    for _ in range(4):
        sale = await sell(api, owner, line(tea, 2))
        answers = await asyncio.gather(
            api.execute(VOID_SALE, {"id": sale["id"], "reason": ""}, caller=owner),
            api.execute(REFUND_SALE, {"input": {"saleId": sale["id"]}}, caller=owner),
        )
        assert [refusal(answer)[0] for answer in answers if "errors" in answer] == ["CONFLICT"]
        assert await stock_of(api, owner, tea) == 7
    assert (await verify(database)).findings == ()


async def test_a_refund_sent_twice_with_one_key_is_made_once(api: Api, owner: Person) -> None:
    _, sale = await sold_three(api, owner)
    given = {"input": {"saleId": sale["id"], "items": [{"itemId": sale["items"][0]["id"], "quantity": 1}]}}
    answers = [await api.execute(REFUND_SALE, given, caller=owner, idempotency_key="k") for _ in range(2)]
    assert [len(answer["data"]["refundSale"]["refunds"]) for answer in answers] == [1, 1]


async def test_a_sale_that_cost_nothing_can_be_given_back(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, stock=1)
    sale = await sell(api, owner, line(tea, discount=tea["price"]))
    assert sale["total"] == "0.00"
    changed = await refund(api, owner, sale)
    assert (changed["status"], changed["refunded"]) == ("REFUNDED", "0.00")
    assert (await verify(database)).findings == ()


@pytest.mark.slow
async def test_a_sale_has_at_most_100_refunds(api: Api, owner: Person, database: Database, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, price="0.01", stock=200)
    sale = await sell(api, owner, line(tea, 200))
    document = "mutation ($input: RefundSaleInput!) { refundSale(input: $input) { id } }"
    given = {"input": {"saleId": sale["id"], "items": [{"itemId": sale["items"][0]["id"], "quantity": 1}]}}
    for _ in range(100):
        await api.data(document, given, caller=owner)
    async with nothing_written():
        assert refusal(await api.execute(document, given, caller=owner)) == (
            "CONFLICT",
            "There are 100 refunds of sale 1, the most there can be.",
        )
    found = await sale_of(api, owner, sale["id"])
    assert found is not None
    assert [made["number"] for made in found["refunds"]] == list(range(1, 101))
    assert (await verify(database)).findings == ()


async def test_a_refund_leads_to_its_sale_and_lines(api: Api, owner: Person) -> None:
    _, sale = await sold_three(api, owner)
    [made] = (await refund(api, owner, sale))["refunds"]
    document = "query ($id: ID!) { node(id: $id) { ... on Refund { sale { number } items { item { name sale { id } } } } } }"
    assert (await api.data(document, {"id": made["id"]}, caller=owner))["node"] == {
        "sale": {"number": 1},
        "items": [{"item": {"name": name, "sale": {"id": sale["id"]}}} for name in ("Assam", "Cup")],
    }


async def test_no_refund_has_more_tax_than_amount(api: Api, owner: Person, database: Database) -> None:
    """Three cents for four pieces, one of them tax: rounded each by itself, the tax would come back before the money does."""
    bead = await make_product(api, owner, price="0.01", stock=10, taxRate="50")
    sale = await sell(api, owner, line(bead, 4, discount="0.01"))
    assert (sale["total"], sale["tax"]) == ("0.03", "0.01")
    for _ in range(4):
        sale = await refund(api, owner, sale, (0, 1))
    given = [(Decimal(one["amount"]), Decimal(one["tax"])) for one in sale["refunds"]]
    assert all(tax <= amount for amount, tax in given), given
    assert [sum(column) for column in zip(*given, strict=True)] == [Decimal("0.03"), Decimal("0.01")]
    assert (await verify(database)).findings == ()
