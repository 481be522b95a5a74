"""Random writes: through the public API, and with a bare driver that goes around all code of ours.

Each keeps what `tests/live/promises.py` holds results to: a category's count, the sum of a product's movements, the sum of the scale.
"""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pymongo.errors import PyMongoError

from datastore.schema import sort_key
from tests.live.shops import NAMES, PRICES, Shop, World, movement_document, now, product_document, sku

Write = Callable[[World, Shop, Random], Awaitable[object]]

UPDATE = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id updatedAt } }"
ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id updatedAt } }"
RESTORE = "mutation ($id: ID!) { restoreProduct(id: $id) { id updatedAt } }"
DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"
ADJUST = "mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id updatedAt } }"
UPDATE_CATEGORY = "mutation ($input: UpdateProductCategoryInput!) { updateProductCategory(input: $input) { id updatedAt } }"
DELETE_CATEGORY = "mutation ($id: ID!, $to: ID) { deleteProductCategory(id: $id, moveProductsTo: $to) { id } }"
REORDER = "mutation ($ids: [ID!]!) { reorderProductCategories(ids: $ids) { id updatedAt } }"
SETTINGS = "mutation ($name: String!) { updateSettings(input: {businessName: $name}) { id updatedAt } }"
PROFILE = "mutation ($name: String!) { updateProfile(input: {name: $name}) { id updatedAt } }"
ALL_CATEGORIES = "{ productCategories(first: 100) { nodes { id } } }"

_LOW_STOCK = {"$and": ["$track_stock", {"$lte": ["$stock", "$low_stock_threshold"]}]}


# --- through the API ---


async def create(world: World, shop: Shop, random: Random) -> None:
    await world.create_product(shop, random)


async def change(world: World, shop: Shop, random: Random) -> None:
    changes: dict[str, Any] = {
        "name": random.choice(NAMES),
        "price": random.choice(PRICES),
        "sku": random.choice((None, sku(random))),
        "lowStockThreshold": random.randint(0, 3),
        "categoryId": random.choice((None, shop.category(random), shop.category(random))),
    }
    chosen = {name: changes[name] for name in random.sample(sorted(changes), random.randint(1, 2))}
    await world.mutate(shop, random, UPDATE, {"input": {"id": shop.product(random), **chosen}})


async def rename(world: World, shop: Shop, random: Random, id: str) -> None:
    await world.mutate(shop, random, UPDATE, {"input": {"id": id, "name": random.choice(NAMES)}})


async def archive(world: World, shop: Shop, random: Random) -> None:
    await world.mutate(shop, random, random.choice((ARCHIVE, RESTORE)), {"id": shop.product(random)})


async def delete(world: World, shop: Shop, random: Random) -> None:
    id = shop.product(random)
    if id not in shop.scale:
        await world.mutate(shop, random, DELETE, {"id": id})


async def adjust(world: World, shop: Shop, random: Random) -> None:
    id = shop.product(random)
    if id not in shop.scale:
        delta = random.choice((-2, -1, 1, 2))
        await world.mutate(shop, random, ADJUST, {"input": {"productId": id, "delta": delta, "reason": "counted"}})


async def create_category(world: World, shop: Shop, random: Random) -> None:
    await world.create_category(shop, random.choice(NAMES))


async def change_category(world: World, shop: Shop, random: Random) -> None:
    await world.mutate(shop, random, UPDATE_CATEGORY, {"input": {"id": shop.category(random), "name": random.choice(NAMES)}})


async def delete_category(world: World, shop: Shop, random: Random) -> None:
    id, to = shop.category(random), shop.category(random)
    if id != to:
        await world.mutate(shop, random, DELETE_CATEGORY, {"id": id, "to": random.choice((to, None))})


async def reorder(world: World, shop: Shop, random: Random) -> None:
    found = await world.api.data(ALL_CATEGORIES, caller=shop.device(random))
    ids = [node["id"] for node in found["productCategories"]["nodes"]]
    random.shuffle(ids)
    refused = await world.api.execute(REORDER, {"ids": ids}, caller=shop.device(random))
    codes = {error["extensions"]["code"] for error in refused.get("errors", [])}
    assert codes <= {"CONFLICT", "INVALID_INPUT", "UNAVAILABLE"}, refused  # another category may have come meanwhile


async def rename_business(world: World, shop: Shop, random: Random) -> None:
    await world.mutate(shop, random, random.choice((SETTINGS, PROFILE)), {"name": random.choice(NAMES)})


# --- with a bare driver ---


async def rename_bare(world: World, shop: Shop, random: Random) -> None:
    name = random.choice(NAMES)
    await _set(world, {"_id": shop.product(random)}, {"name": name, "name_key": sort_key(name)})


async def describe_bare(world: World, shop: Shop, random: Random) -> None:
    """Changes one column that no list is ordered by, and nothing else."""
    values: dict[str, Any] = {
        "description": random.choice(NAMES),
        "barcode": random.choice((None, "123", "456")),
        "cost_minor": random.choice((None, 50, 70)),
        "tax_rate_ppm": random.choice((None, 70_000, 190_000)),
        "low_stock_threshold": random.randint(0, 3),
    }
    column = random.choice(sorted(values))
    await world.driver.products.update_one({"_id": shop.product(random)}, [{"$set": {column: values[column]}}, _relow()])


async def reprice_many(world: World, shop: Shop, random: Random) -> None:
    query = {"account_id": shop.account_id, "price_minor": random.choice((100, 150, 200, 300))}
    await world.driver.products.update_many(query, {"$set": {"price_minor": random.choice((100, 200))}, "$max": {"updated_at": now()}})


async def there_and_back(world: World, shop: Shop, random: Random) -> None:
    """By the time its first event is looked up, the row may be where it was."""
    id = shop.product(random)
    found = await world.driver.products.find_one({"_id": id})
    if found is not None:
        await _set(world, {"_id": id}, {"archived": not found["archived"]})
        await _set(world, {"_id": id}, {"archived": found["archived"]})


async def take_away(world: World, shop: Shop, _random: Random) -> None:
    """Deletes a row without a category."""
    query = {"account_id": shop.account_id, "category_id": None, "_id": {"$nin": list(shop.scale)}}
    found = await world.driver.products.find_one_and_delete(query)
    if found is not None:
        shop.away.append(found)


async def bring_back(world: World, shop: Shop, random: Random) -> None:
    """Puts a deleted row back under its old id."""
    if shop.away:
        found = shop.away.pop(random.randrange(len(shop.away)))
        await world.driver.products.insert_one(found | {"sku": None, "updated_at": max(found["updated_at"], now())})


async def insert_bare(world: World, shop: Shop, random: Random) -> None:
    async with _transaction(world) as session:
        category_id = random.choice((None, shop.category(random)))
        product = product_document(shop, random, category_id)
        counted = await world.driver.product_categories.update_one(
            {"_id": category_id, "account_id": shop.account_id}, {"$inc": {"product_count": 1}}, session=session
        )
        if counted.matched_count == 0:
            product["category_id"] = None
        await world.driver.products.insert_one(product, session=session)
        if product["stock"]:
            movement = movement_document(shop, product["_id"], product["stock"], product["stock"])
            await world.driver.stock_movements.insert_one(movement, session=session)
        shop.products.append(product["_id"])


async def delete_bare(world: World, shop: Shop, random: Random) -> None:
    id = shop.product(random)
    if id in shop.scale:
        return
    async with _transaction(world) as session:
        found = await world.driver.products.find_one_and_delete({"_id": id}, session=session)
        if found is not None:
            await world.driver.product_categories.update_one(
                {"_id": found["category_id"]}, {"$inc": {"product_count": -1}}, session=session
            )
            await world.driver.stock_movements.delete_many({"product_id": id}, session=session)


async def tip_the_scale(world: World, shop: Shop, random: Random) -> None:
    """Four rows in one transaction: both products of the scale, and a movement of each."""
    amount = random.choice((-2, -1, 1, 2))
    async with _transaction(world) as session:
        for id, delta in zip(shop.scale, (amount, -amount), strict=True):
            change = [{"$set": {"stock": {"$add": ["$stock", delta]}, "updated_at": {"$max": ["$updated_at", now()]}}}, _relow()]
            await world.driver.products.update_one({"_id": id}, change, session=session)
            await world.driver.stock_movements.insert_one(movement_document(shop, id, delta, 0), session=session)


async def swap_names(world: World, shop: Shop, random: Random) -> None:
    """Two rows change places in one transaction."""
    async with _transaction(world) as session:
        one, other = [await world.driver.products.find_one({"_id": shop.product(random)}, session=session) for _ in range(2)]
        if one is not None and other is not None:
            for id, named in ((one["_id"], other), (other["_id"], one)):
                values = {"name": named["name"], "name_key": named["name_key"]}
                await world.driver.products.update_one({"_id": id}, {"$set": values, "$max": {"updated_at": now()}}, session=session)


async def move_bare(world: World, shop: Shop, random: Random) -> None:
    """Moves a product between two categories, counts and all."""
    id, target = shop.product(random), shop.category(random)
    async with _transaction(world) as session:
        found = await world.driver.products.find_one({"_id": id}, session=session)
        categories = world.driver.product_categories
        if found is None or await categories.find_one_and_update({"_id": target}, {"$inc": {"product_count": 1}}, session=session) is None:
            return
        await categories.update_one({"_id": found["category_id"]}, {"$inc": {"product_count": -1}}, session=session)
        change = {"$set": {"category_id": target}, "$max": {"updated_at": now()}}
        await world.driver.products.update_one({"_id": id}, change, session=session)


async def guard(world: World, shop: Shop, random: Random) -> None:
    """What a transaction does that rests on rows it does not change: nobody can see it."""
    await world.driver.products.update_one({"_id": shop.product(random)}, {"$inc": {"guard": 1}})


WRITES: dict[Write, int] = {
    create: 3,
    change: 6,
    archive: 3,
    delete: 2,
    adjust: 5,
    create_category: 1,
    change_category: 1,
    delete_category: 1,
    reorder: 1,
    rename_business: 1,
    rename_bare: 4,
    describe_bare: 4,
    reprice_many: 1,
    there_and_back: 3,
    take_away: 2,
    bring_back: 3,
    insert_bare: 2,
    delete_bare: 2,
    tip_the_scale: 4,
    swap_names: 2,
    move_bare: 3,
    guard: 1,
}
"""Each kind of write, and how often it is chosen."""


async def write(world: World, random: Random) -> None:
    """One random write by a random business."""
    [kind] = random.choices(list(WRITES), list(WRITES.values()))
    await kind(world, random.choice(world.shops), random)


async def _set(world: World, query: dict[str, Any], values: dict[str, Any]) -> None:
    await world.driver.products.update_one(query, {"$set": values, "$max": {"updated_at": now()}})


def _relow() -> dict[str, Any]:
    return {"$set": {"low_stock": _LOW_STOCK}}


@asynccontextmanager
async def _transaction(world: World) -> Any:
    """A transaction of the bare driver. One that collides with another has not happened, and that is as well."""
    world.writes += 1
    async with world.driver.client.start_session() as session:
        try:
            async with await session.start_transaction():
                yield session
        except PyMongoError as error:
            if not error.has_error_label("TransientTransactionError"):
                raise
