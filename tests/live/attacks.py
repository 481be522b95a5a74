"""Steps aimed at where engines of live queries break: each looks at what is watched, and does what this very watcher must be told of.

Each changes as little as it can, so that nothing but what it aims at wakes the watcher. One that finds nothing to aim at does nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

from datastore import schema as tables
from tests.live.audience import Audience
from tests.live.bare_writers import insert, named, place, put_back, remove
from tests.live.questions import Question, ask_for_a_page, ask_for_an_empty_page, ask_for_nested_pages, ask_for_one, ask_in_vain
from tests.live.shops import NAMES, Shop, World, now, product_document, sku
from tests.live.sights import Listing, Sight, listing_of
from tests.live.writers import DELETE_CATEGORY, UPDATE

Attack = Callable[[Audience, Random], Awaitable[object]]
Ask = Callable[[World, Shop, Random], Awaitable[Question]]

_GOING_ON, _ENDING = partial(ask_for_a_page, going_on=True), partial(ask_for_a_page, going_on=False)


BY_ORDER = {"NAME": "name", "CREATED_AT": "createdAt", "PRICE": "price", "STOCK": "stock"}
COLUMN_VALUES: dict[str, tuple[dict[str, Any], ...]] = {
    "name": tuple(named(name) for name in NAMES),
    "description": ({"description": "One"}, {"description": "Another"}),
    "barcode": ({"barcode": None}, {"barcode": "789"}),
    "price": ({"price_minor": 110}, {"price_minor": 210}),
    "cost": ({"cost_minor": None}, {"cost_minor": 60}),
    "taxRate": ({"tax_rate_ppm": None}, {"tax_rate_ppm": 50_000}),
    "lowStockThreshold": ({"low_stock_threshold": 1}, {"low_stock_threshold": 2}),
}
"""What a bare writer sets, and nothing else, to change one field of a product."""


async def cut_off_what_follows(audience: Audience, random: Random) -> None:
    """Takes the row that a page's `hasNextPage` rests on away, and all behind it, or moves them to the other side."""
    page = await _aim(audience, random, _GOING_ON, lambda sight: _is_filled(sight, "products", "productCategories") and sight.goes_on)
    if page is None:
        return
    world, shop = audience.world, audience.home(page.question.person)
    listing = listing_of(page, shop)
    rest = [row["_id"] for row in await listing.behind(world, page)]
    if listing.collection == "product_categories":
        for id in reversed(rest):
            await world.mutate(shop, random, DELETE_CATEGORY, {"id": id, "to": None})
    elif random.random() < 0.5:
        await _archive(world, rest, archived=not listing.equals["archived"])
    else:
        for id in reversed(rest):
            await remove(world, shop, id)


async def let_something_follow(audience: Audience, random: Random) -> None:
    """Puts a row behind the last of a page that nothing follows."""
    page = await _aim(audience, random, _ENDING, lambda sight: _is_filled(sight, "products") and not sight.goes_on)
    if page is not None:
        await _add_to(audience, page, random)


async def fill_an_empty_list(audience: Audience, random: Random) -> None:
    """Puts a row where a page shows none."""
    page = await _aim(audience, random, ask_for_an_empty_page, lambda sight: sight.is_page("products") and not sight.rows)
    if page is not None:
        await _add_to(audience, page, random)


async def add_to_a_nested_list(audience: Audience, random: Random) -> None:
    """Puts a row into a list that hangs on another row."""
    page = await _aim(audience, random, ask_for_nested_pages, lambda sight: sight.is_page("products") and "id" in sight.above)
    if page is not None:
        await _add_to(audience, page, random)


async def empty_a_list(audience: Audience, random: Random) -> None:
    """Takes all rows of a page away at once, and leaves none behind it."""
    page = await _aim(audience, random, _ENDING, lambda sight: _is_filled(sight, "products") and not sight.goes_on)
    if page is not None:
        archived = listing_of(page, audience.home(page.question.person)).equals["archived"]
        await _archive(audience.world, [row["id"] for row in page.rows], archived=not archived)


async def move_into_a_page(audience: Audience, random: Random) -> None:
    """Moves a row between two of a page that goes on."""
    descending = random.choice((False, True))
    ask = partial(ask_for_a_page, going_on=True, descending=descending)
    page = await _aim(audience, random, ask, lambda sight: _has_gaps(sight) and sight.arguments.get("descending", False) == descending)
    if page is None:
        return
    world, shop = audience.world, audience.home(page.question.person)
    listing = listing_of(page, shop)
    rows = [row for row in await listing.rows(world) if row["_id"] in {shown["id"] for shown in page.rows}]
    # Before the last: behind it, nothing that is shown would change.
    gaps = [row for row, following in pairwise(rows) if row[listing.order] != following[listing.order]]
    shown = [*(row["id"] for row in page.rows), *(row["_id"] for row in (await listing.behind(world, page))[:1])]
    elsewhere = await world.driver.products.find({"account_id": shop.account_id, "_id": {"$nin": [*shown, *shop.scale]}}).to_list()
    if not gaps or not elsewhere:
        return
    newcomer = random.choice(elsewhere)
    await place(world, shop, newcomer["_id"], _fitting(listing, newcomer | _just_behind(listing, random.choice(gaps))))


async def slide_and_change(audience: Audience, random: Random) -> None:
    """Changes what has come onto a page for those that went: what was read first is not what must be watched now."""
    page = await _aim(audience, random, _GOING_ON, lambda sight: _is_filled(sight, "products") and sight.goes_on)
    if page is None:
        return
    archived = listing_of(page, audience.home(page.question.person)).equals["archived"]
    await _archive(audience.world, [row["id"] for row in page.rows], archived=not archived)
    await audience.rest()
    pages = [sight for sight in audience.sights() if _is_filled(sight, "products") and sight.question == page.question]
    if pages:
        await _archive(audience.world, [random.choice(pages).rows[-1]["id"]], archived=not archived)


async def move_within_or_off_a_page(audience: Audience, random: Random) -> None:
    """Moves a row of a page that does not select what it is ordered by to the other end of its list."""
    page = await _aim(audience, random, _ENDING, lambda sight: _is_filled(sight, "products") and _is_blind(sight))
    if page is None:
        return
    shop = audience.home(page.question.person)
    listing = listing_of(page, shop)
    number = random.randrange(len(page.rows))
    id = page.rows[number]["id"]
    if id not in shop.scale:
        # The last goes to the front: where a page is short, its end is where it stands already.
        to_the_front = number > 0 and number == len(page.rows) - 1
        await place(audience.world, shop, id, _end_of(replace(listing, descending=listing.descending ^ to_the_front), random))


async def change_one_selected_column(audience: Audience, random: Random) -> None:
    """Changes one column that a question selects, in a row that it shows, and no other."""
    page = await _aim(audience, random, _ENDING, _can_change)
    if page is not None:
        await change_a_column(audience, page, random)


async def come_where_nothing_was(audience: Audience, random: Random) -> None:
    """Makes a row that was asked for by its id or its code, in vain."""
    sight = await _aim(audience, random, ask_in_vain, lambda sight: bool(sight.asked_for(there=False)))
    if sight is None:
        return
    world, shop, id = audience.world, audience.home(sight.question.person), random.choice(sight.asked_for(there=False))
    if sight.name == "productBySku":
        await world.mutate(shop, random, UPDATE, {"input": {"id": shop.product(random), "sku": id}})
    elif id.startswith(tables.ProductCategory.spec.prefix):
        await _make_category(world, shop, id)
    elif id.startswith(tables.Product.spec.prefix):
        away = next((row for row in shop.away if row["_id"] == id), None)
        if away is not None:
            await put_back(world, shop, away)
        elif not any(id in known.products for known in world.shops):  # else another writer may just now be about to put it back
            await insert(world, shop, product_document(shop, random, None) | {"_id": id})


async def go_where_somebody_looks(audience: Audience, random: Random) -> None:
    """Takes a row away that is watched by its id or its code."""
    sight = await _aim(audience, random, ask_for_one, lambda sight: bool(sight.asked_for(there=True)))
    if sight is None:
        return
    world, shop, id = audience.world, audience.home(sight.question.person), random.choice(sight.asked_for(there=True))
    if sight.name == "productBySku":
        await world.driver.products.update_one({"account_id": shop.account_id, "sku": id}, {"$set": {"sku": f"X-{sku(random)}"}})
    elif id.startswith(tables.ProductCategory.spec.prefix):
        await world.mutate(shop, random, DELETE_CATEGORY, {"id": id, "to": None})
    elif id.startswith(tables.Product.spec.prefix):
        await remove(world, shop, id)


async def change_what_is_shown(audience: Audience, random: Random) -> None:
    """The same of what somebody watches already."""
    pages = [sight for sight in audience.sights() if _can_change(sight)]
    if pages:
        await change_a_column(audience, random.choice(pages), random)


async def change_a_column(audience: Audience, page: Sight, random: Random) -> None:
    """Changes one column that a page selects, in one of its rows, and no other."""
    fields = sorted(page.selected & COLUMN_VALUES.keys())
    found = await audience.world.driver.products.find_one({"_id": random.choice(page.rows)["id"]})
    if fields and found is not None:
        values = [value for value in COLUMN_VALUES[random.choice(fields)] if not value.items() <= found.items()]
        await place(audience.world, audience.home(page.question.person), found["_id"], random.choice(values))


ATTACKS: tuple[Attack, ...] = (
    cut_off_what_follows,
    let_something_follow,
    fill_an_empty_list,
    add_to_a_nested_list,
    empty_a_list,
    move_into_a_page,
    slide_and_change,
    move_within_or_off_a_page,
    change_one_selected_column,
    come_where_nothing_was,
    go_where_somebody_looks,
)
"""Every kind of attack."""


async def _aim(audience: Audience, random: Random, ask: Ask | None, wanted: Callable[[Sight], bool]) -> Sight | None:
    """What somebody watches already or, half of the time and where nobody does, what another comes to watch."""
    targets = [sight for sight in audience.sights() if wanted(sight)]
    if ask is not None and (not targets or random.random() < 0.5):
        newcomer = await audience.watch_this(await ask(audience.world, random.choice(audience.world.shops), random))
        if newcomer is not None:
            targets = [sight for sight in newcomer.sights() if wanted(sight)] or targets
    return random.choice(targets) if targets else None


def _is_filled(sight: Sight, *lists: str) -> bool:
    return sight.is_page(*lists) and bool(sight.rows)


def _can_change(sight: Sight) -> bool:
    return _is_filled(sight, "products") and not sight.selected.isdisjoint(COLUMN_VALUES)


def _has_gaps(sight: Sight) -> bool:
    return _is_filled(sight, "products") and sight.goes_on and len(sight.rows) > 1


def _is_blind(page: Sight) -> bool:
    """Whether it does not select what it is ordered by."""
    return BY_ORDER[page.arguments.get("orderBy", "NAME")] not in page.selected


def _end_of(listing: Listing, random: Random) -> dict[str, Any]:
    """Values with which a product stands at the end of a list, and seldom beside another."""
    far = random.randint(1, 1000)
    if listing.order == "name_key":
        return named(f"{'!' if listing.descending else '~'}{far:04}")
    if listing.order == "created_at":
        return {"created_at": now() + timedelta(minutes=-far - 10_000 if listing.descending else far)}
    if listing.order == "price_minor":
        return {"price_minor": far % 100 if listing.descending else 1000 + far}
    return {"stock": -far if listing.descending else 10 + far}


def _just_behind(listing: Listing, row: dict[str, Any]) -> dict[str, Any]:
    """Values with which a product stands behind a row of a list, and before those that follow it, where there is room."""
    value, step = row[listing.order], -1 if listing.descending else 1
    if listing.order == "name_key":
        return named(f"{row['name']} 1" if step > 0 else f"{value[:-1]}{chr(ord(value[-1]) - 1)}~")
    return {listing.order: value + (timedelta(milliseconds=step) if listing.order == "created_at" else step)}


def _fitting(listing: Listing, row: dict[str, Any]) -> dict[str, Any]:
    """The product as it would be in the list."""
    row = row | {column: value for column, value in listing.equals.items() if column != "low_stock"}
    if "low_stock" in listing.equals:
        low = listing.equals["low_stock"]
        row |= {"track_stock": low, "low_stock": low, "low_stock_threshold": max(0, row["stock"])}
    return row


def _last_of(listing: Listing, shop: Shop, random: Random) -> dict[str, Any]:
    """A new product at the end of a list."""
    return _fitting(listing, product_document(shop, random, None) | _end_of(listing, random))


async def _add_to(audience: Audience, page: Sight, random: Random) -> None:
    shop = audience.home(page.question.person)
    await insert(audience.world, shop, _last_of(listing_of(page, shop), shop, random))


async def _archive(world: World, ids: list[str], *, archived: bool) -> None:
    change = {"$set": {"archived": archived}, "$max": {"updated_at": now()}}
    await world.driver.products.update_many({"_id": {"$in": ids}}, change)


async def _make_category(world: World, shop: Shop, id: str) -> None:
    if await world.driver.product_categories.find_one({"_id": id}) is None:
        row = tables.ProductCategory(
            id=id,
            created_at=now(),
            updated_at=now(),
            account_id=shop.account_id,
            name=f"Category {id}",
            description="",
            position=len(shop.categories),
            product_count=0,
        )
        await world.driver.product_categories.insert_one(row.to_document())
