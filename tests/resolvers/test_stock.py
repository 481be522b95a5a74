"""The sum of the shelves; what a product's stock may be is tested with products and sales."""

from typing import Any

import pytest

from datastore.database import Database
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import ADJUST_STOCK, CREATE_PRODUCT, UPDATE_PRODUCT, adjust, make_product, problems, product_of
from tests.resolvers.till import RECORD_SALE, REFUND_SALE, line, order, refund, refusal, sell, void

DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"


async def shelves(database: Database, owner: Person) -> tuple[int, int]:
    """Pieces and what they cost, as they are kept."""
    reply = await database.command({"find": "inventories", "filter": {"account_id": owner.account_id}})
    rows: list[Any] = reply["cursor"]["firstBatch"]
    return (rows[0]["units"], rows[0]["value_minor"]) if rows else (0, 0)


async def change(api: Api, owner: Person, product: dict[str, Any], **values: Any) -> None:
    await api.data(UPDATE_PRODUCT, {"input": {"id": product["id"], **values}}, caller=owner)


async def test_every_change_of_stock_or_cost_is_counted_in_the_shelves(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, "Assam", stock=10, cost="1.50")
    cup = await make_product(api, owner, "Cup", stock=4)
    assert await shelves(database, owner) == (14, 1500)
    await adjust(api, owner, tea["id"], -2)
    assert await shelves(database, owner) == (12, 1200)
    await change(api, owner, cup, cost="2.00")
    assert await shelves(database, owner) == (12, 2000)
    await change(api, owner, tea, name="Darjeeling")
    sale = await sell(api, owner, line(tea, 3), line(cup))
    assert await shelves(database, owner) == (8, 1350)
    await refund(api, owner, sale, (0, 1))
    assert await shelves(database, owner) == (9, 1500)
    await void(api, owner, await sell(api, owner, line(tea, 6)))
    assert await shelves(database, owner) == (9, 1500)
    await change(api, owner, tea, trackStock=False)
    assert await shelves(database, owner) == (3, 600)
    await adjust(api, owner, tea["id"], -9)
    assert await shelves(database, owner) == (3, 600)
    await change(api, owner, tea, trackStock=True)
    assert await shelves(database, owner) == (3, 600), "less than nothing counts nothing"
    await adjust(api, owner, tea["id"], 5)
    assert await shelves(database, owner) == (5, 900)
    await change(api, owner, tea, cost=None)
    assert await shelves(database, owner) == (5, 600)
    assert (await verify(database)).findings == ()


async def test_a_deleted_product_leaves_the_shelves(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, "Assam", stock=10, cost="1.50")
    await make_product(api, owner, "Cup", stock=4)
    await api.data(DELETE, {"id": tea["id"]}, caller=owner)
    assert await shelves(database, owner) == (4, 0)
    assert (await verify(database)).findings == ()


async def test_a_tracked_stock_that_is_below_zero_can_only_grow(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, "Assam", trackStock=False)
    await adjust(api, owner, tea["id"], -5)
    await change(api, owner, tea, trackStock=True)
    async with nothing_written():
        assert await api.code(ADJUST_STOCK, {"input": {"productId": tea["id"], "delta": -1}}, caller=owner) == "CONFLICT"
    assert (await adjust(api, owner, tea["id"], 2))["stock"] == -3


async def test_goods_that_come_back_to_a_full_shelf_are_refused(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, "Assam", stock=10**12)
    sale = await sell(api, owner, line(tea, 2))
    await adjust(api, owner, tea["id"], 1)
    given: dict[str, Any] = {"input": {"saleId": sale["id"]}}
    async with nothing_written():
        answer = await api.execute(REFUND_SALE, given, caller=owner)
    assert refusal(answer) == ("CONFLICT", "The stock of “Assam” would go beyond 1,000,000,000,000.")
    await refund(api, owner, sale, restock=False)
    found = await product_of(api, owner, tea["id"])
    assert found is not None
    assert found["stock"] == 10**12 - 1


@pytest.mark.parametrize("stock", [1300, 9224, 10**12])
async def test_shelves_worth_more_than_can_be_kept_are_refused(
    api: Api, owner: Person, nothing_written: Unchanged, stock: int, database: Database
) -> None:
    dear = {"name": "Gold", "price": "1", "cost": "10000000000000.00", "trackStock": True}
    for _ in range(2):
        await api.data(CREATE_PRODUCT, {"input": {**dear, "stock": 4000}}, caller=owner)
    async with nothing_written():
        answer = await api.execute(CREATE_PRODUCT, {"input": {**dear, "stock": stock}}, caller=owner)
        assert problems(answer) == ["input"]
    assert (await verify(database)).findings == ()


async def test_what_is_left_of_less_than_nothing_is_nothing(api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, "Assam", trackStock=False)
    await adjust(api, owner, tea["id"], -5)
    await change(api, owner, tea, trackStock=True)
    assert refusal(await api.execute(RECORD_SALE, order(line(tea)), caller=owner)) == ("CONFLICT", "Only 0 of “Assam” are in stock.")
