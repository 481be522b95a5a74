"""What the roles of a business come to, through the API: the till of the staff, and what they do not see."""

import asyncio

import pytest

from datastore.database import Database
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.gql.colleagues import colleague
from tests.gql.followers import caught_up, following
from tests.resolvers.shop import ADJUST_STOCK, CREATE_PRODUCT, adjust, make_product
from tests.resolvers.spending import enter
from tests.resolvers.till import REFUND_SALE, line, refund, sell

COSTS = "subscription { live { products { nodes { name cost } } } }"


@pytest.fixture
async def staff(api: Api, ada: Person) -> Person:
    """Somebody of Ada's staff."""
    return await colleague(api, ada, "STAFF")


async def test_staff_sell_what_is_there_and_the_books_are_right(api: Api, ada: Person, staff: Person) -> None:
    product = await make_product(api, ada, cost="2.00", stock=5)
    sold = await sell(api, staff, line(product, 2))
    assert sold["soldBy"]["name"] == "Grace Hopper"
    books = "{ dashboard(preset: TODAY) { revenue inventoryValue } balance transactions { nodes { amount } } product(id: $id) { stock } }"
    found = await api.data(f"query ($id: ID!) {books}", {"id": product["id"]}, caller=ada)
    assert found == {
        "dashboard": {"revenue": "9.00", "inventoryValue": "6.00"},
        "balance": "9.00",
        "transactions": {"nodes": [{"amount": "9.00"}]},
        "product": {"stock": 3},
    }


async def test_sales_of_staff_and_owners_at_once_keep_the_books_and_nobody_sees_more(api: Api, ada: Person, staff: Person) -> None:
    """They are committed in groups: each keeps its own rights there."""
    product = await make_product(api, ada, cost="2.00", stock=100)
    refused = api.execute(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1.00"}}, caller=staff)
    sales = [sell(api, caller, line(product)) for caller in (ada, staff) * 10]
    answer, *sold = await asyncio.gather(refused, *sales)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert sorted(sale["number"] for sale in sold) == list(range(1, 21))
    assert sum(sale["soldBy"]["userId"] == staff.user_id for sale in sold) == 10
    data = await api.data("{ dashboard(preset: TODAY) { inventoryValue salesCount } }", caller=ada)
    assert data["dashboard"] == {"inventoryValue": "160.00", "salesCount": 20}


@pytest.mark.parametrize(
    "selection",
    [
        "expenses { nodes { id } }",
        "transactions { nodes { id } }",
        "balance",
        "dashboard(preset: TODAY) { lowStockProducts { nodes { name } } }",
    ],
)
async def test_staff_see_nothing_of_the_books_live_either(api: Api, ada: Person, staff: Person, selection: str) -> None:
    await enter(api, ada)
    assert await api.code(f"{{ {selection} }}", caller=staff) == "FORBIDDEN"
    async with api.watch(f"subscription {{ live {{ {selection} }} }}", caller=staff) as watching:
        assert watching.last["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_cost_is_shown_to_none_of_the_staff_and_shared_with_none(api: Api, ada: Person, staff: Person) -> None:
    product = await make_product(api, ada, "Assam", cost="2.00", stock=1)
    sold = await sell(api, staff, line(product))
    nested = "query ($id: ID!) { sale(id: $id) { items { product { cost category { products { nodes { cost } } } } } } }"
    seen = await api.data(nested, {"id": sold["id"]}, caller=staff)
    assert seen["sale"]["items"] == [{"product": {"cost": None, "category": None}}]
    assert (await api.data(nested, {"id": sold["id"]}, caller=ada))["sale"]["items"][0]["product"]["cost"] == "2.00"
    async with api.watch(COSTS, caller=ada) as owner, api.watch(COSTS, caller=staff) as theirs:
        await api.settle()
        await api.data('mutation ($id: ID!) { updateProduct(input: {id: $id, cost: "3.00"}) { id } }', {"id": product["id"]}, caller=ada)
        await owner.count(2)
        await api.settle()
        assert [result["data"]["live"]["products"]["nodes"][0]["cost"] for result in owner.results] == ["2.00", "3.00"]
        assert [result["data"]["live"]["products"]["nodes"][0]["cost"] for result in theirs.results] == [None]


async def test_staff_take_no_stock_and_give_no_money_back(api: Api, ada: Person, staff: Person, database: Database) -> None:
    product = await make_product(api, ada, stock=5)
    sold = await sell(api, staff, line(product))
    assert await api.code(ADJUST_STOCK, {"input": {"productId": product["id"], "delta": 1, "reason": ""}}, caller=staff) == "FORBIDDEN"
    assert await api.code(REFUND_SALE, {"input": {"saleId": sold["id"], "items": None}}, caller=staff) == "FORBIDDEN"
    manager = await colleague(api, ada, "MANAGER")
    await adjust(api, manager, product["id"], 1)
    await refund(api, manager, sold)
    assert not (await verify(database)).findings


async def test_a_row_of_a_table_that_staff_do_not_read_is_no_node_of_theirs(api: Api, ada: Person, staff: Person) -> None:
    entry = await enter(api, ada)
    product = await make_product(api, ada)
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await api.data(document, {"ids": [entry["id"], product["id"]]}, caller=staff)
    assert found["nodes"] == [None, {"id": product["id"]}]


async def test_staff_are_told_of_the_changes_of_what_they_may_read(api: Api, ada: Person, staff: Person) -> None:
    product = await make_product(api, ada)
    async with following(api, staff) as followed, following(api, ada) as everything:
        await caught_up(api, 2)
        await enter(api, ada)
        await api.data('mutation ($id: ID!) { updateProduct(input: {id: $id, cost: "3.00"}) { id } }', {"id": product["id"]}, caller=ada)
        await followed.until(lambda: ("UPDATE", product["id"]) in followed.told)
        await everything.until(lambda: ("UPDATE", product["id"]) in everything.told)
    assert {change["table"] for change in everything.changes} >= {"TRANSACTIONS", "PRODUCTS"}
    assert {change["table"] for change in followed.changes} <= {"PRODUCTS", "SETTINGS"}
    assert followed.changes[-1]["changedFields"] == ["updatedAt"]
    assert set(everything.changes[-1]["changedFields"]) == {"updatedAt", "cost"}
    async with following(api, staff, tables=["PRODUCTS", "EXPENSES"]) as refused:
        assert await refused.end() == "FORBIDDEN"


async def test_who_has_another_role_now_is_not_given_the_answers_of_the_one_before(api: Api, ada: Person, database: Database) -> None:
    wanted = {"input": {"name": "Tea", "price": "1.00", "cost": "0.50"}}
    await api.execute(CREATE_PRODUCT, wanted, caller=ada, idempotency_key="k")
    await database.command({"update": "sessions", "updates": [{"q": {"user_id": ada.user_id}, "u": {"$set": {"role": "STAFF"}}}]})
    answer = await api.execute(CREATE_PRODUCT, wanted, caller=ada, idempotency_key="k")
    assert answer["errors"][0]["extensions"]["code"] == "CONFLICT"
