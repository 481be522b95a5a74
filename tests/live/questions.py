"""Random questions: selections of `Query` over every index, filter, order, direction, page size and cursor, nested lists too."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from datastore.schema import Product, ProductCategory
from tests.gql.api import Api, Person
from tests.live.shops import Shop, World, sku

FEWEST_TO_GO_ON = 3
LONGEST_PAGE = 20
"""Three parts, each with so many categories and all that is in them, still cost less than an operation may."""

Asked = Callable[[World, Shop, Random], Awaitable[str]]

FIELDS = "id updatedAt name price stock sku archived lowStock"
COLUMNS = (*FIELDS.split()[1:], "description", "barcode", "cost", "taxRate", "lowStockThreshold", "trackStock", "createdAt", "currency")
MOVEMENTS = "{ nodes { id delta } pageInfo { hasNextPage } }"
# Whole lists, by which `tests/live/promises.py` counts: a category beside all of its products, a product beside all of its movements.
WHOLE_CATEGORY = """
id updatedAt name position productCount
forSale: products(first: 100) { nodes { id stock name } pageInfo { hasNextPage } }
retired: products(first: 100, archived: true) { nodes { id stock name } pageInfo { hasNextPage } }
"""
WHOLE_PRODUCT = f"{FIELDS} category {{ id updatedAt name productCount }} stockMovements(first: 100) {MOVEMENTS}"


class Symbol(str):
    """An enum's value, which stands without quotes."""

    __slots__ = ()


@dataclass(frozen=True)
class Question:
    """A selection of `Query`, asked by one person."""

    selection: str
    person: Person

    @property
    def query(self) -> str:
        """As an ordinary query."""
        return f"query {self.selection}"

    @property
    def live(self) -> str:
        """As a live operation."""
        return f"subscription {{ live {self.selection} }}"


def arguments(**values: Any) -> str:
    """GraphQL arguments, those that are None left out."""
    written = [
        f"{name}: {value if isinstance(value, Symbol) else json.dumps(value)}" for name, value in values.items() if value is not None
    ]
    return f"({', '.join(written)})" if written else ""


async def ask(world: World, shop: Shop, random: Random) -> Question:
    """A question of one to three parts."""
    kinds = random.choices(list(QUESTIONS), list(QUESTIONS.values()), k=random.choice((1, 1, 1, 2, 3)))
    parts = [f"part{number}: {await kind(world, shop, random)}" for number, kind in enumerate(kinds)]
    return Question(f"{{ {' '.join(parts)} }}", shop.device(random))


async def list_of_products(world: World, shop: Shop, random: Random) -> str:
    filters = {**_product_filter(random), "categoryId": shop.category(random) if random.random() < 0.5 else None}
    if filters["categoryId"] and filters["lowStock"] is not None:
        filters["orderBy"] = Symbol("NAME")
    page = arguments(**filters, **await _page(world.api, shop.device(random), "products", filters, random))
    fields = random.choice((FIELDS, _fields(random), _fields(random), WHOLE_PRODUCT))
    return f"products{page} {{ nodes {{ {fields} }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }}"


async def products_of_a_category(world: World, shop: Shop, random: Random) -> str:
    id = shop.category(random)
    filters = _product_filter(random)
    if filters["lowStock"] is not None:
        filters["orderBy"] = Symbol("NAME")
    path = f'productCategory(id: "{id}")'
    page = arguments(**filters, **await _nested_page(world.api, shop.device(random), path, "products", filters, random))
    nested = f"products{page} {{ edges {{ cursor node {{ {_fields(random)} }} }} pageInfo {{ hasNextPage }} }}"
    return f"{path} {{ id name productCount {nested} }}"


async def a_search(world: World, shop: Shop, random: Random) -> str:
    words = random.choice(("a", "b", "app", "APF", "ban", "zucchini", "a a", "s 1", "che", "fig s", "d", "nothing"))
    filters = {
        "search": words,
        "archived": random.choice((None, False, False, True)),
        "descending": random.choice((None, False, True)),
        "categoryId": shop.category(random) if random.random() < 0.3 else None,
    }
    page = arguments(**filters, **await _page(world.api, shop.device(random), "products", filters, random))
    return f"products{page} {{ nodes {{ {random.choice((FIELDS, _fields(random)))} }} pageInfo {{ hasNextPage endCursor }} }}"


async def a_whole_category(_world: World, shop: Shop, random: Random) -> str:
    return f'productCategory(id: "{shop.category(random)}") {{ {WHOLE_CATEGORY} }}'


async def categories(world: World, shop: Shop, random: Random) -> str:
    page = arguments(**await _page(world.api, shop.device(random), "productCategories", {}, random))
    fields = random.choice(
        ("id name position", WHOLE_CATEGORY, f"id products(first: {_first(random)}) {{ nodes {{ {_fields(random)} }} }}")
    )
    return f"productCategories{page} {{ nodes {{ {fields} }} pageInfo {{ hasNextPage }} }}"


async def one_product(_world: World, shop: Shop, random: Random) -> str:
    return f'product(id: "{shop.product(random)}") {{ {random.choice((_fields(random), WHOLE_PRODUCT))} }}'


async def product_by_sku(_world: World, _shop: Shop, random: Random) -> str:
    return f'productBySku(sku: "{sku(random)}") {{ {WHOLE_PRODUCT} }}'


async def movements(world: World, shop: Shop, random: Random) -> str:
    fixed = {"productId": shop.product(random)}
    page = arguments(**fixed, **await _page(world.api, shop.device(random), "stockMovements", fixed, random))
    return f"stockMovements{page} {{ nodes {{ id delta product {{ {_fields(random)} }} }} pageInfo {{ hasNextPage }} }}"


async def the_scale(_world: World, shop: Shop, random: Random) -> str:
    one, other = shop.scale
    by_stock = f"products(first: 100, orderBy: STOCK, descending: true) {{ nodes {{ {FIELDS} }} }}"
    ways = (
        f'nodes(ids: ["{one}", "{other}"]) {{ ... on Product {{ {WHOLE_PRODUCT} }} }}',
        f'product(id: "{one}") {{ {WHOLE_PRODUCT} }} again: product(id: "{other}") {{ {FIELDS} }}',
        f'{by_stock} one: node(id: "{one}") {{ ... on Product {{ {FIELDS} }} }}',
    )
    return random.choice(ways)


async def nodes(world: World, shop: Shop, random: Random) -> str:
    stranger = random.choice(world.shops)
    ids = [shop.product(random), shop.category(random), stranger.product(random), shop.devices[0].user_id]
    return f"nodes{arguments(ids=ids)} {{ id updatedAt ... on Product {{ name stock }} ... on ProductCategory {{ productCount }} }}"


async def who_and_what(_world: World, _shop: Shop, random: Random) -> str:
    return random.choice(
        ("settings { id updatedAt businessName currencyFixed }", "viewer { id name account { settings { businessName } } }")
    )


QUESTIONS: dict[Asked, int] = {
    list_of_products: 8,
    products_of_a_category: 4,
    a_search: 4,
    a_whole_category: 2,
    categories: 3,
    one_product: 2,
    product_by_sku: 1,
    movements: 2,
    the_scale: 2,
    nodes: 2,
    who_and_what: 1,
}
"""Each kind of question, and how often it is chosen."""


async def ask_for_a_page(world: World, shop: Shop, random: Random, *, going_on: bool, descending: bool | None = None) -> Question:
    """A question for a page of products that shows rows, by itself or in a category; if possible, one that goes on, or does not."""
    rows = await world.driver.products.find({"account_id": shop.account_id}).to_list()
    like = random.choice(rows)
    narrowed = {column: like[column] for column in ("category_id", "low_stock") if like[column] is not None and random.random() < 0.5}
    alike = [row for row in rows if row["archived"] == like["archived"]]
    count = sum(narrowed.items() <= row.items() for row in alike)
    if going_on and count < FEWEST_TO_GO_ON:
        narrowed, count = {}, len(alike)
    low_stock, category_id = narrowed.get("low_stock"), narrowed.get("category_id")
    orders = ("NAME", "CREATED_AT", "PRICE", "STOCK") if low_stock is None else ("NAME", "STOCK") if category_id is None else ("NAME",)
    filters = {
        "archived": like["archived"],
        "lowStock": low_stock,
        "orderBy": Symbol(random.choice(orders)),
        "descending": random.choice((False, True)) if descending is None else descending,
        "first": max(1, min(random.choice((2, 3)), count - 1)) if going_on else count + random.randint(0, 1),
    }
    show = f"{{ nodes {{ {_fields(random)} }} pageInfo {{ hasNextPage }} }}"
    ways = [f"products{arguments(**filters, categoryId=category_id)} {show}"]
    if category_id is not None:
        ways.append(f'productCategory(id: "{category_id}") {{ id products{arguments(**filters)} {show} }}')
        ways.append(f"productCategories(first: 100) {{ nodes {{ id products{arguments(**filters)} {show} }} }}")
    return Question(f"{{ {random.choice(ways)} }}", shop.device(random))


async def ask_for_nested_pages(_world: World, shop: Shop, random: Random) -> Question:
    """A question for all categories, each with a page of its products: no more than one operation may give."""
    filters = {"first": random.choice((1, 3, 100)), "archived": random.choice((False, True)), "descending": random.choice((False, True))}
    page = f"products{arguments(**filters)} {{ nodes {{ {_fields(random)} }} pageInfo {{ hasNextPage }} }}"
    return Question(f"{{ productCategories(first: 50) {{ nodes {{ id {page} }} }} }}", shop.device(random))


async def ask_in_vain(_world: World, shop: Shop, random: Random) -> Question:
    """A question for something that is not there."""
    nothing, category = Product.new_id(), ProductCategory.new_id()
    ways = (
        f'product(id: "{nothing}") {{ {_fields(random)} }}',
        f'productCategory(id: "{category}") {{ id name }}',
        f"nodes{arguments(ids=[nothing, category])} {{ id updatedAt }}",
        f"nodes{arguments(ids=[shop.product(random), category])} {{ id updatedAt }}",
    )
    return Question(f"{{ {random.choice(ways)} }}", shop.device(random))


async def ask_for_one(world: World, shop: Shop, random: Random) -> Question:
    """A question for one product that is there, by its id."""
    rows = await world.driver.products.find({"account_id": shop.account_id, "_id": {"$nin": list(shop.scale)}}).to_list()
    id = random.choice(rows)["_id"] if rows else shop.product(random)
    return Question(f'{{ product(id: "{id}") {{ {_fields(random)} }} }}', shop.device(random))


async def ask_for_an_empty_page(world: World, shop: Shop, random: Random) -> Question:
    """A question for a page of products that shows none, if there is one."""
    rows = await world.driver.products.find({"account_id": shop.account_id}).to_list()
    kept = {(row["category_id"], row["archived"], row["low_stock"]) for row in rows}
    kinds = list(product(shop.categories[-5:], (False, True), (False, True)))
    category_id, archived, low_stock = random.choice([kind for kind in kinds if kind not in kept] or kinds)
    given = arguments(categoryId=category_id, archived=archived, lowStock=low_stock, first=random.randint(1, 3))
    return Question(f"{{ products{given} {{ nodes {{ {_fields(random)} }} pageInfo {{ hasNextPage }} }} }}", shop.device(random))


def _fields(random: Random) -> str:
    """A few fields of a product: what is not asked for need not wake."""
    return " ".join(["id", *random.sample(COLUMNS, random.choice((0, 1, 1, 2, 4)))])


def _first(random: Random) -> int:
    return random.choice((1, 2, 3, 4, 20))


def _product_filter(random: Random) -> dict[str, Any]:
    low_stock = random.choice((None, None, True, False))
    orders = ("NAME", "CREATED_AT", "PRICE", "STOCK") if low_stock is None else ("NAME", "STOCK")
    return {
        "lowStock": low_stock,
        "archived": random.choice((None, False, False, True)),
        "orderBy": Symbol(random.choice(orders)),
        "descending": random.choice((None, False, True)),
    }


async def _page(api: Api, person: Person, list_name: str, fixed: dict[str, Any], random: Random) -> dict[str, Any]:
    """Where a page of a list begins, and how long it is."""
    found = await api.data(f"{{ list: {list_name}{arguments(first=LONGEST_PAGE, **fixed)} {{ edges {{ cursor }} }} }}", caller=person)
    return _place(found["list"], random)


async def _nested_page(api: Api, person: Person, path: str, list_name: str, fixed: dict[str, Any], random: Random) -> dict[str, Any]:
    """The same of a list that hangs on a row, which may not be there."""
    nested = f"list: {list_name}{arguments(first=LONGEST_PAGE, **fixed)} {{ edges {{ cursor }} }}"
    found = await api.data(f"{{ above: {path} {{ {nested} }} }}", caller=person)
    return {"first": 2} if found["above"] is None else _place(found["above"]["list"], random)


def _place(found: dict[str, Any], random: Random) -> dict[str, Any]:
    """The beginning or behind a random row; as long as what follows, one row shorter or longer, or of any length."""
    cursors = [edge["cursor"] for edge in found["edges"]]
    skipped = random.randint(1, len(cursors)) if cursors and random.random() < 0.5 else 0
    left = len(cursors) - skipped
    first = min(LONGEST_PAGE, max(1, random.choice((left - 1, left - 1, left, left + 1, 1, 2, 3, LONGEST_PAGE))))
    return {"first": first, "after": cursors[skipped - 1] if skipped else None}
