import asyncio
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from resolvers.product_categories import MOST_MOVED
from tests.commands import Commands
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import CATEGORY, CREATE_CATEGORY, CREATE_PRODUCT, UPDATE_PRODUCT, make_category, make_product, problems

UPDATE = f"mutation ($input: UpdateProductCategoryInput!) {{ updateProductCategory(input: $input) {{ {CATEGORY} }} }}"
DELETE = "mutation ($id: ID!, $to: ID) { deleteProductCategory(id: $id, moveProductsTo: $to) { id name productCount } }"
ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id } }"
REORDER = "mutation ($ids: [ID!]!) { reorderProductCategories(ids: $ids) { id position } }"
MISSING = "pct_01J0000000000000000000000A"


async def listed(api: Api, owner: Person) -> list[str]:
    data = await api.data("{ productCategories(first: 100) { nodes { name } } }", caller=owner)
    return [node["name"] for node in data["productCategories"]["nodes"]]


async def counted(api: Api, owner: Person) -> dict[str, int]:
    data = await api.data("{ productCategories { nodes { name productCount products { nodes { id } } } } }", caller=owner)
    nodes = data["productCategories"]["nodes"]
    assert all(len(node["products"]["nodes"]) == node["productCount"] for node in nodes)
    return {node["name"]: node["productCount"] for node in nodes}


async def test_categories_are_listed_in_the_order_they_were_made(api: Api, owner: Person) -> None:
    made = [await make_category(api, owner, name) for name in ("Tea", "Bread", "Cake")]
    assert await listed(api, owner) == ["Tea", "Bread", "Cake"]
    assert [category["position"] for category in made] == [1, 2, 3]


async def test_one_category_is_found_by_its_id(api: Api, owner: Person) -> None:
    made = await make_category(api, owner, description="Leaves\nand water")
    document = f"query ($id: ID!) {{ productCategory(id: $id) {{ {CATEGORY} }} }}"
    assert await api.data(document, {"id": made["id"]}, caller=owner) == {"productCategory": made}
    assert await api.data(document, {"id": MISSING}, caller=owner) == {"productCategory": None}
    assert problems(await api.execute(document, {"id": "prd" + MISSING[3:]}, caller=owner)) == ["id"]


async def test_a_category_changes_by_what_is_sent(api: Api, owner: Person) -> None:
    made = await make_category(api, owner, description="Leaves")
    changed = (await api.data(UPDATE, {"input": {"id": made["id"], "name": "Teas"}}, caller=owner))["updateProductCategory"]
    assert changed == made | {"name": "Teas", "updatedAt": changed["updatedAt"]}


async def test_a_name_is_taken_once_in_a_business_accents_and_case_aside(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    await make_category(api, owner, "Café")
    other = await make_category(api, owner, "Tea")
    async with nothing_written():
        assert await api.code(CREATE_CATEGORY, {"input": {"name": " CAFE "}}, caller=owner) == "CONFLICT"
        assert await api.code(UPDATE, {"input": {"id": other["id"], "name": "cafe\u0301"}}, caller=owner) == "CONFLICT"
    await make_category(api, stranger, "Café")


async def test_of_two_with_one_name_at_once_one_is_a_conflict(api: Api, owner: Person) -> None:
    answers = await asyncio.gather(*(api.execute(CREATE_CATEGORY, {"input": {"name": "Tea"}}, caller=owner) for _ in range(3)))
    assert sorted("errors" in answer for answer in answers) == [False, True, True]
    assert await listed(api, owner) == ["Tea"]


async def test_an_empty_category_is_deleted(api: Api, owner: Person) -> None:
    made = await make_category(api, owner)
    assert await api.data(DELETE, {"id": made["id"]}, caller=owner) == {
        "deleteProductCategory": {"id": made["id"], "name": "Tea", "productCount": 0}
    }
    assert await listed(api, owner) == []
    assert await api.code(DELETE, {"id": made["id"]}, caller=owner) == "NOT_FOUND"


async def test_a_category_with_products_is_not_deleted_without_a_place_for_them(
    api: Api, owner: Person, nothing_written: Unchanged
) -> None:
    made = await make_category(api, owner)
    await make_product(api, owner, categoryId=made["id"])
    async with nothing_written():
        response = await api.execute(DELETE, {"id": made["id"]}, caller=owner)
    [error] = response["errors"]
    assert error["extensions"]["code"] == "CONFLICT"
    assert error["message"].startswith("1 products are in this category")


async def test_deleting_a_category_moves_its_products_archived_ones_too(api: Api, owner: Person) -> None:
    tea, bread = await make_category(api, owner, "Tea"), await make_category(api, owner, "Bread")
    products = [await make_product(api, owner, f"Tea {number}", categoryId=tea["id"]) for number in range(3)]
    await api.data("mutation ($id: ID!) { archiveProduct(id: $id) { id } }", {"id": products[0]["id"]}, caller=owner)
    await api.data(DELETE, {"id": tea["id"], "to": bread["id"]}, caller=owner)
    data = await api.data("{ products { nodes { category { name } } } productCategories { nodes { productCount } } }", caller=owner)
    assert data == {
        "products": {"nodes": [{"category": {"name": "Bread"}}] * 2},
        "productCategories": {"nodes": [{"productCount": 3}]},
    }


@pytest.mark.parametrize(
    ("to", "code"), [("self", "INVALID_INPUT"), (MISSING, "NOT_FOUND"), ("usr_x", "INVALID_INPUT"), ("theirs", "NOT_FOUND")]
)
async def test_products_are_moved_to_another_category_of_the_same_business_only(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, to: str, code: str
) -> None:
    made, theirs = await make_category(api, owner), await make_category(api, stranger)
    await make_product(api, owner, categoryId=made["id"])
    target = {"self": made["id"], "theirs": theirs["id"]}.get(to, to)
    async with nothing_written():
        assert await api.code(DELETE, {"id": made["id"], "to": target}, caller=owner) == code


async def test_a_category_that_gets_a_product_while_it_is_deleted_loses_neither(api: Api, owner: Person) -> None:
    for number in range(5):
        made = await make_category(api, owner, f"Tea {number}")
        values = {"input": {"name": "Assam", "price": "1", "categoryId": made["id"]}}
        deleted, created = await asyncio.gather(
            api.execute(DELETE, {"id": made["id"]}, caller=owner), api.execute(CREATE_PRODUCT, values, caller=owner)
        )
        assert ("errors" in deleted) != ("errors" in created)
    data = await api.data("{ products { nodes { category { id } } } }", caller=owner)
    assert all(node["category"] for node in data["products"]["nodes"])
    await counted(api, owner)


async def test_the_count_follows_its_products(api: Api, owner: Person) -> None:
    tea, bread = await make_category(api, owner, "Tea"), await make_category(api, owner, "Bread")
    product = await make_product(api, owner, categoryId=tea["id"])
    assert await counted(api, owner) == {"Tea": 1, "Bread": 0}
    await api.data(UPDATE_PRODUCT, {"input": {"id": product["id"], "categoryId": bread["id"]}}, caller=owner)
    assert await counted(api, owner) == {"Tea": 0, "Bread": 1}
    await api.data(UPDATE_PRODUCT, {"input": {"id": product["id"], "categoryId": None}}, caller=owner)
    assert await counted(api, owner) == {"Tea": 0, "Bread": 0}
    await api.data(UPDATE_PRODUCT, {"input": {"id": product["id"], "categoryId": tea["id"]}}, caller=owner)
    await api.data("mutation ($id: ID!) { deleteProduct(id: $id) { id } }", {"id": product["id"]}, caller=owner)
    assert await counted(api, owner) == {"Tea": 0, "Bread": 0}


async def test_products_made_at_once_are_all_counted(api: Api, owner: Person) -> None:
    tea = await make_category(api, owner)
    await asyncio.gather(*(make_product(api, owner, f"Tea {number}", categoryId=tea["id"]) for number in range(6)))
    assert await counted(api, owner) == {"Tea": 6}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": ""}, "input.name"),
        ({"name": "x" * 10_000}, "input.name"),
        ({"name": "\0"}, "input.name"),
        ({"name": "\ufdfa" * 200}, "input.name"),
        ({"name": "\ud800"}, "input.name"),
        ({"name": "Tea", "description": "x" * 5001}, "input.description"),
        ({"name": {"$ne": 1}}, "input.name"),
        ({}, "input.name"),
    ],
)
async def test_a_bad_category_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    async with nothing_written():
        assert problems(await api.execute(CREATE_CATEGORY, {"input": values}, caller=owner)) == [path]


async def test_more_products_than_one_transaction_moves_stay(api: Api, owner: Person, database: Database) -> None:
    tea, bread = await make_category(api, owner, "Tea"), await make_category(api, owner, "Bread")
    update = {"q": {"_id": tea["id"]}, "u": {"$set": {"product_count": MOST_MOVED + 1}}}
    await database.command({"update": "product_categories", "updates": [update]})
    assert await api.code(DELETE, {"id": tea["id"], "to": bread["id"]}, caller=owner) == "CONFLICT"


@pytest.mark.slow
async def test_as_many_products_as_one_transaction_moves_are_moved(api: Api, owner: Person, database: Database) -> None:
    tea, bread = await make_category(api, owner, "Tea"), await make_category(api, owner, "Bread")
    for archived in (False, True):
        assam = await make_product(api, owner, categoryId=tea["id"], description="Malty, and good with milk in the morning.")
        if archived:
            await api.data(ARCHIVE, {"id": assam["id"]}, caller=owner)
    stored = (await contents(database))["products"]
    others = [stored[n % 2] | {"_id": tables.Product.new_id()} for n in range(MOST_MOVED - 2)]
    await database.command({"insert": "products", "documents": others})
    update = {"q": {"_id": tea["id"]}, "u": {"$set": {"product_count": MOST_MOVED}}}
    await database.command({"update": "product_categories", "updates": [update]})
    await api.data(DELETE, {"id": tea["id"], "to": bread["id"]}, caller=owner)
    assert {row["category_id"] for row in (await contents(database))["products"]} == {bread["id"]}
    data = await api.data("{ productCategories { nodes { name productCount } } }", caller=owner)
    assert data["productCategories"]["nodes"] == [{"name": "Bread", "productCount": MOST_MOVED}]


async def test_categories_are_put_in_order_with_one_command(api: Api, owner: Person, commands: Commands) -> None:
    ids = [(await make_category(api, owner, name))["id"] for name in ("Tea", "Bread", "Cheese")]
    before = commands.counts["update"]
    await api.data(REORDER, {"ids": ids[::-1]}, caller=owner)
    assert commands.counts["update"] - before == 1


async def test_categories_are_live(api: Api, owner: Person) -> None:
    await make_category(api, owner, "Tea")

    async def add() -> None:
        await make_category(api, owner, "Bread")

    await verify_live(api, "{ productCategories { nodes { name } } }", add, caller=owner)


async def test_one_category_with_its_products_is_live(api: Api, owner: Person) -> None:
    tea = await make_category(api, owner, "Tea")

    async def add() -> None:
        await make_product(api, owner, categoryId=tea["id"])

    selection = "{ productCategory(id: $id) { productCount products { nodes { name } } } }"
    await verify_live(api, selection, add, caller=owner, variables="($id: ID!)", values={"id": tea["id"]})
