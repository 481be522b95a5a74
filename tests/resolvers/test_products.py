import asyncio
from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import (
    ADJUST_STOCK,
    CREATE_PRODUCT,
    PRODUCT,
    UPDATE_PRODUCT,
    adjust,
    make_category,
    make_product,
    names,
    problems,
    product_of,
)

ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id archived } }"
RESTORE = "mutation ($id: ID!) { restoreProduct(id: $id) { id archived } }"
DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id name } }"
MOVEMENTS = "query ($id: ID!) { stockMovements(productId: $id) { nodes { delta stockAfter reason userId product { id } } } }"
MISSING = "prd_01J0000000000000000000000A"


async def test_a_product_has_what_it_was_made_with(api: Api, owner: Person) -> None:
    tea = await make_category(api, owner)
    values = {
        "description": "Malty\nand dark",
        "sku": " A-1 ",
        "barcode": "4006381333931",
        "categoryId": tea["id"],
        "cost": "1.2",
        "taxRate": "7.70",
        "stock": 5_000_000_000,
        "lowStockThreshold": 3,
    }
    made = await make_product(api, owner, " Assam ", "4.5", **values)
    expected = values | {
        "name": "Assam",
        "sku": "A-1",
        "currency": "USD",
        "price": "4.50",
        "cost": "1.20",
        "taxRate": "7.7",
        "trackStock": True,
        "lowStock": False,
        "archived": False,
        "category": {"id": tea["id"]},
    }
    del expected["categoryId"]
    assert {name: made[name] for name in expected} == expected
    assert made["createdAt"] == made["updatedAt"]
    assert await product_of(api, owner, made["id"]) == made


async def test_a_product_needs_a_name_and_a_price_only(api: Api, owner: Person) -> None:
    made = await make_product(api, owner)
    assert {name: made[name] for name in ("description", "sku", "barcode", "cost", "taxRate", "category", "stock", "lowStock")} == {
        "description": "",
        "sku": None,
        "barcode": None,
        "cost": None,
        "taxRate": None,
        "category": None,
        "stock": 0,
        "lowStock": True,
    }


async def test_amounts_have_the_decimals_of_the_currency(api: Api, owner: Person) -> None:
    await api.data('mutation { updateSettings(input: {currency: "JPY"}) { id } }', caller=owner)
    assert (await make_product(api, owner, price="450"))["price"] == "450"
    assert problems(await api.execute(CREATE_PRODUCT, {"input": {"name": "x", "price": "4.50"}}, caller=owner)) == ["input.price"]


BAD_AMOUNTS = [4.5, 4, "NaN", "1e3", "Infinity", "4" * 40, "-0.01", "1.005", "1.23456", "", " 1", None, True, ["1"], {"a": 1}]


@pytest.mark.parametrize("price", BAD_AMOUNTS)
async def test_a_price_is_an_exact_amount_that_is_not_negative(api: Api, owner: Person, nothing_written: Unchanged, price: object) -> None:
    async with nothing_written():
        assert problems(await api.execute(CREATE_PRODUCT, {"input": {"name": "Tea", "price": price}}, caller=owner)) == ["input.price"]


@pytest.mark.parametrize("literal", ["4.5", "4", "1e400", '"NaN"', '"-1"', "9" * 5000])
async def test_a_price_in_the_document_is_checked_alike(api: Api, owner: Person, nothing_written: Unchanged, literal: str) -> None:
    document = f'mutation {{ createProduct(input: {{name: "Tea", price: {literal}}}) {{ id }} }}'
    async with nothing_written():
        assert problems(await api.execute(document, caller=owner)) == ["input.price"]


async def test_a_quantity_in_the_document_is_checked_alike(api: Api, owner: Person) -> None:
    for literal in ("1.5", '"1"', "9" * 5000, "1000000000001"):
        document = f'mutation {{ createProduct(input: {{name: "Tea", price: "1", stock: {literal}}}) {{ id }} }}'
        assert problems(await api.execute(document, caller=owner)) == ["input.stock"]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": ""}, "input.name"),
        ({"name": "x" * 10_000}, "input.name"),
        ({"name": "T\0a"}, "input.name"),
        ({"name": "\ud800"}, "input.name"),
        ({"description": "\x07"}, "input.description"),
        ({"sku": ""}, "input.sku"),
        ({"sku": "x" * 65}, "input.sku"),
        ({"barcode": "1\n2"}, "input.barcode"),
        ({"cost": "-1"}, "input.cost"),
        ({"cost": 1.5}, "input.cost"),
        ({"taxRate": "100.1"}, "input.taxRate"),
        ({"taxRate": 19}, "input.taxRate"),
        ({"stock": -1}, "input.stock"),
        ({"stock": 10**12 + 1}, "input.stock"),
        ({"stock": 1.5}, "input.stock"),
        ({"lowStockThreshold": -1}, "input.lowStockThreshold"),
        ({"trackStock": "yes"}, "input.trackStock"),
        ({"categoryId": "pct_x"}, "input.categoryId"),
        ({"categoryId": MISSING}, "input.categoryId"),
        ({"categoryId": "\0"}, "input.categoryId"),
    ],
)
async def test_a_bad_product_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    async with nothing_written():
        response = await api.execute(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1"} | values}, caller=owner)
        assert problems(response) == [path]


async def test_a_product_goes_into_a_category_of_the_same_business_only(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    theirs = await make_category(api, stranger)
    mine = await make_product(api, owner)
    async with nothing_written():
        assert (
            await api.code(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1", "categoryId": theirs["id"]}}, caller=owner)
            == "NOT_FOUND"
        )
        assert await api.code(UPDATE_PRODUCT, {"input": {"id": mine["id"], "categoryId": theirs["id"]}}, caller=owner) == "NOT_FOUND"


async def test_a_sku_is_taken_once_in_a_business(api: Api, owner: Person, stranger: Person, nothing_written: Unchanged) -> None:
    first = await make_product(api, owner, sku="A-1")
    second = await make_product(api, owner, sku="A-2")
    async with nothing_written():
        assert await api.code(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1", "sku": "A-1"}}, caller=owner) == "CONFLICT"
        assert await api.code(UPDATE_PRODUCT, {"input": {"id": second["id"], "sku": "A-1"}}, caller=owner) == "CONFLICT"
    await make_product(api, stranger, sku="A-1")
    document = "query ($sku: String!) { productBySku(sku: $sku) { id } }"
    assert await api.data(document, {"sku": " A-1 "}, caller=owner) == {"productBySku": {"id": first["id"]}}
    assert await api.data(document, {"sku": "A-3"}, caller=owner) == {"productBySku": None}
    assert problems(await api.execute(document, {"sku": ""}, caller=owner)) == ["sku"]


async def test_of_many_with_one_sku_at_once_one_is_made(api: Api, owner: Person) -> None:
    values = {"input": {"name": "Tea", "price": "1", "sku": "A-1"}}
    answers = await asyncio.gather(*(api.execute(CREATE_PRODUCT, values, caller=owner) for _ in range(4)))
    codes = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
    assert codes == ["CONFLICT"] * 3
    assert await names(api, owner, "first: 100") == ["Tea"]


async def test_a_product_changes_by_what_is_sent(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, sku="A-1", cost="1", taxRate="19", stock=3)
    values = {"id": made["id"], "name": "Sencha", "price": "5", "sku": None, "cost": None, "taxRate": None, "lowStockThreshold": 3}
    changed = (await api.data(UPDATE_PRODUCT, {"input": values}, caller=owner))["updateProduct"]
    expected = values | {"price": "5.00", "lowStock": True, "updatedAt": changed["updatedAt"]}
    assert changed == made | expected
    assert await product_of(api, owner, made["id"]) == changed


@pytest.mark.parametrize(
    ("values", "path"),
    [({"name": None}, "input.name"), ({"price": None}, "input.price"), ({"price": "0.001"}, "input.price"), ({"id": "prd_x"}, "input.id")],
)
async def test_a_bad_change_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    made = await make_product(api, owner)
    async with nothing_written():
        assert problems(await api.execute(UPDATE_PRODUCT, {"input": {"id": made["id"]} | values}, caller=owner)) == [path]


@pytest.mark.parametrize("mutation", [ARCHIVE, RESTORE, DELETE])
async def test_what_is_not_there_is_not_found(api: Api, owner: Person, nothing_written: Unchanged, mutation: str) -> None:
    async with nothing_written():
        assert await api.code(mutation, {"id": MISSING}, caller=owner) == "NOT_FOUND"
        assert problems(await api.execute(mutation, {"id": "pct" + MISSING[3:]}, caller=owner)) == ["id"]
        assert problems(await api.execute(mutation, {"id": 7}, caller=owner)) == ["id"]
        assert await api.code(mutation, {"id": MISSING}) == "UNAUTHENTICATED"


async def test_an_archived_product_is_listed_apart_until_it_is_restored(api: Api, owner: Person) -> None:
    made = await make_product(api, owner)
    for _ in range(2):
        assert (await api.data(ARCHIVE, {"id": made["id"]}, caller=owner))["archiveProduct"]["archived"]
    assert (await names(api, owner, "first: 5"), await names(api, owner, "archived: true")) == ([], ["Assam"])
    assert not (await api.data(RESTORE, {"id": made["id"]}, caller=owner))["restoreProduct"]["archived"]
    assert (await names(api, owner, "first: 5"), await names(api, owner, "archived: true")) == (["Assam"], [])


async def test_a_deleted_product_takes_its_movements_with_it(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, stock=3)
    assert await api.data(DELETE, {"id": made["id"]}, caller=owner) == {"deleteProduct": {"id": made["id"], "name": "Assam"}}
    assert await product_of(api, owner, made["id"]) is None
    assert (await api.data(MOVEMENTS, {"id": made["id"]}, caller=owner))["stockMovements"]["nodes"] == []


async def test_stock_is_the_sum_of_its_movements(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, stock=10)
    assert (await adjust(api, owner, made["id"], -4, "Broken"))["stock"] == 6
    assert (await adjust(api, owner, made["id"], 1))["stock"] == 7
    nodes = (await api.data(MOVEMENTS, {"id": made["id"]}, caller=owner))["stockMovements"]["nodes"]
    assert [(node["delta"], node["stockAfter"], node["reason"]) for node in nodes] == [
        (1, 7, ""),
        (-4, 6, "Broken"),
        (10, 10, "Initial stock"),
    ]
    assert {(node["userId"], node["product"]["id"]) for node in nodes} == {(owner.user_id, made["id"])}
    nested = await api.data(
        "query ($id: ID!) { product(id: $id) { stockMovements(first: 2) { nodes { delta } pageInfo { hasNextPage } } } }",
        {"id": made["id"]},
        caller=owner,
    )
    assert nested["product"]["stockMovements"] == {"nodes": [{"delta": 1}, {"delta": -4}], "pageInfo": {"hasNextPage": True}}


async def test_a_tracked_stock_does_not_go_below_zero(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    made = await make_product(api, owner, "Assam", stock=2)
    async with nothing_written():
        response = await api.execute(ADJUST_STOCK, {"input": {"productId": made["id"], "delta": -3}}, caller=owner)
    [error] = response["errors"]
    assert (error["extensions"]["code"], error["message"]) == ("CONFLICT", "Only 2 of “Assam” are in stock.")


async def test_a_stock_that_is_not_tracked_may_be_anything(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, trackStock=False)
    assert await adjust(api, owner, made["id"], -3) == {"id": made["id"], "stock": -3, "lowStock": False}


@pytest.mark.parametrize("delta", [0, 10**12 + 1, -(10**12) - 1, 10**12, 1.5, "1", None, True])
async def test_a_change_of_stock_stays_in_bounds(api: Api, owner: Person, nothing_written: Unchanged, delta: object) -> None:
    made = await make_product(api, owner, stock=1)
    async with nothing_written():
        response = await api.execute(ADJUST_STOCK, {"input": {"productId": made["id"], "delta": delta}}, caller=owner)
        assert problems(response) == ["input.delta"]


async def test_changes_of_stock_at_once_are_all_counted_and_none_oversells(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, stock=5)
    values = {"input": {"productId": made["id"], "delta": -2}}
    answers = await asyncio.gather(*(api.execute(ADJUST_STOCK, values, caller=owner) for _ in range(4)))
    codes = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
    assert codes == ["CONFLICT"] * 2
    product = await product_of(api, owner, made["id"])
    assert product is not None
    nodes = (await api.data(MOVEMENTS, {"id": made["id"]}, caller=owner))["stockMovements"]["nodes"]
    assert product["stock"] == 1 == sum(node["delta"] for node in nodes)


LIVE: list[tuple[str, str]] = [
    ("{ products(first: 2) { nodes { name stock } } }", "adjust"),
    ("{ products(orderBy: STOCK, first: 1, descending: true) { nodes { name } } }", "adjust"),
    ("{ products(lowStock: true) { nodes { name } } }", "adjust"),
    ("{ product(id: $id) { stock stockMovements { nodes { delta } } } }", "adjust"),
    ('{ productBySku(sku: "A-2") { name } }', "rename"),
    ("{ stockMovements(productId: $id) { nodes { delta } } }", "adjust"),
    ("{ node(id: $id) { ... on Product { name } } }", "rename"),
    ("{ nodes(ids: [$id]) { ... on Product { sku } } }", "rename"),
]


@pytest.mark.parametrize(("selection", "what"), LIVE)
async def test_products_are_live(api: Api, owner: Person, selection: str, what: str) -> None:
    made = await make_product(api, owner, "Assam", sku="A-1")
    await make_product(api, owner, "Bread", stock=3)

    async def change() -> None:
        if what == "adjust":
            await adjust(api, owner, made["id"], 6)
        else:
            await api.data(UPDATE_PRODUCT, {"input": {"id": made["id"], "sku": "A-2", "name": "Sencha"}}, caller=owner)

    declared, values = ("($id: ID!)", {"id": made["id"]}) if "$id" in selection else ("", None)
    await verify_live(api, selection, change, caller=owner, variables=declared, values=values)


async def test_a_product_that_is_asked_for_before_it_exists_comes_live(api: Api, owner: Person) -> None:
    async def make() -> None:
        await make_product(api, owner, sku="A-1")

    await verify_live(api, '{ productBySku(sku: "A-1") { name } }', make, caller=owner)


async def test_a_product_needs_somebody_who_is_signed_in(api: Api) -> None:
    assert await api.code(f"{{ products {{ nodes {{ {PRODUCT} }} }} }}") == "UNAUTHENTICATED"
