"""Random writes: those of `bare_writers.py`, and these, which go through the public API.

Each keeps what `tests/live/promises.py` holds results to: a category's count, the sum of a product's movements, the sum of the scale.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tests.live.bare_writers import (
    bring_back,
    delete_bare,
    describe_bare,
    guard,
    insert_bare,
    move_bare,
    rename_bare,
    reprice_many,
    swap_names,
    take_away,
    there_and_back,
    tip_the_scale,
)
from tests.live.shops import NAMES, PRICES, Shop, World, sku

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
