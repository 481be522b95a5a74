"""Random writes with a bare driver, which goes around all code of ours, and what they are made of.

Each keeps what `tests/live/promises.py` holds results to: a category's count, the sum of a product's movements, the sum of the scale.
"""

from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pymongo.errors import PyMongoError

from datastore.folding import search_keys, sort_key
from tests.live.shops import NAMES, Shop, World, movement_document, now, product_document

_LOW_STOCK = {"$and": ["$track_stock", {"$lte": ["$stock", "$low_stock_threshold"]}]}


async def rename_bare(world: World, shop: Shop, random: Random) -> None:
    await _set(world, {"_id": shop.product(random)}, named(random.choice(NAMES)))


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
        await put_back(world, shop, random.choice(shop.away))


async def put_back(world: World, shop: Shop, row: dict[str, Any]) -> None:
    """Puts a row back that was taken away; its movements are still there."""
    shop.away.remove(row)
    await world.driver.products.insert_one(row | {"sku": None, "updated_at": max(row["updated_at"], now())})


async def insert_bare(world: World, shop: Shop, random: Random) -> None:
    await insert(world, shop, product_document(shop, random, random.choice((None, shop.category(random)))))


async def delete_bare(world: World, shop: Shop, random: Random) -> None:
    await remove(world, shop, shop.product(random))


async def tip_the_scale(world: World, shop: Shop, random: Random) -> None:
    """Four rows in one transaction: both products of the scale, and a movement of each."""
    amount = random.choice((-2, -1, 1, 2))
    async with transaction(world) as session:
        for id, delta in zip(shop.scale, (amount, -amount), strict=True):
            change = [{"$set": {"stock": {"$add": ["$stock", delta]}, "updated_at": {"$max": ["$updated_at", now()]}}}, _relow()]
            await world.driver.products.update_one({"_id": id}, change, session=session)
            await world.driver.stock_movements.insert_one(movement_document(shop, id, delta, 0), session=session)


async def swap_names(world: World, shop: Shop, random: Random) -> None:
    """Two rows change places in one transaction."""
    async with transaction(world) as session:
        one, other = [await world.driver.products.find_one({"_id": shop.product(random)}, session=session) for _ in range(2)]
        if one is not None and other is not None:
            for id, name in ((one["_id"], other["name"]), (other["_id"], one["name"])):
                await world.driver.products.update_one({"_id": id}, {"$set": named(name), "$max": {"updated_at": now()}}, session=session)


async def move_bare(world: World, shop: Shop, random: Random) -> None:
    """Moves a product between two categories, counts and all."""
    id, target = shop.product(random), shop.category(random)
    async with transaction(world) as session:
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


def named(name: str) -> dict[str, Any]:
    """What a product's name sets, of lists and searches, too; a search finds it by nothing else then."""
    return {"name": name, "name_key": sort_key(name), "search_keys": search_keys(name)}


async def insert(world: World, shop: Shop, product: dict[str, Any]) -> None:
    """Inserts a product, its category's count and its first movement with it."""
    async with transaction(world) as session:
        if not await _count(world, shop, product["category_id"], 1, session):
            product["category_id"] = None
        await world.driver.products.insert_one(product, session=session)
        if product["stock"]:
            movement = movement_document(shop, product["_id"], product["stock"], product["stock"])
            await world.driver.stock_movements.insert_one(movement, session=session)
        if product["_id"] not in shop.products:
            shop.products.append(product["_id"])


async def remove(world: World, shop: Shop, id: str) -> None:
    """Deletes a product and its movements, unless it is of the scale."""
    if id in shop.scale:
        return
    async with transaction(world) as session:
        found = await world.driver.products.find_one_and_delete({"_id": id}, session=session)
        if found is not None:
            await _count(world, shop, found["category_id"], -1, session)
            await world.driver.stock_movements.delete_many({"product_id": id}, session=session)


async def place(world: World, shop: Shop, id: str, values: dict[str, Any]) -> None:
    """Gives a product these values in one update that sets nothing else, but what follows from them."""
    async with transaction(world) as session:
        found = await world.driver.products.find_one({"_id": id}, session=session)
        if found is None:
            return
        row = found | values
        row["low_stock"] = row["track_stock"] and row["stock"] <= row["low_stock_threshold"]
        changed = {column: value for column, value in row.items() if value != found[column]}
        if "category_id" in changed:
            if row["category_id"] is not None and not await _count(world, shop, row["category_id"], 1, session):
                return
            await _count(world, shop, found["category_id"], -1, session)
        if "stock" in changed:
            movement = movement_document(shop, id, row["stock"] - found["stock"], row["stock"])
            await world.driver.stock_movements.insert_one(movement, session=session)
        if changed:
            await world.driver.products.update_one({"_id": id}, {"$set": changed}, session=session)


async def _count(world: World, shop: Shop, category_id: str | None, change: int, session: Any) -> bool:
    """Counts a product in a category or out of it; whether there is one."""
    query = {"_id": category_id, "account_id": shop.account_id}
    counted = await world.driver.product_categories.update_one(query, {"$inc": {"product_count": change}}, session=session)
    return bool(counted.matched_count)


async def _set(world: World, query: dict[str, Any], values: dict[str, Any]) -> None:
    await world.driver.products.update_one(query, {"$set": values, "$max": {"updated_at": now()}})


def _relow() -> dict[str, Any]:
    return {"$set": {"low_stock": _LOW_STOCK}}


@asynccontextmanager
async def transaction(world: World) -> Any:
    """A transaction of the bare driver. One that collides with another has not happened, and that is as well."""
    world.writes += 1
    async with world.driver.client.start_session() as session:
        try:
            async with await session.start_transaction():
                yield session
        except PyMongoError as error:
            if not error.has_error_label("TransientTransactionError"):
                raise
