"""A believable demo shop: a café with a small bookshop, made through the same mutations that a client calls.

The same number of products gives the same shop: names, prices and stock come from a seeded generator.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, islice, product, zip_longest
from typing import Any

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.reading import Reader, Snapshot
from datastore.scope import Scope
from resolvers.auth import SignInInput, SignUpInput, sign_in, sign_up
from resolvers.functions import marking_of
from resolvers.money import Money
from resolvers.product_categories import CreateProductCategoryInput, ProductCategory, create_product_category
from resolvers.product_inputs import CreateProductInput
from resolvers.products import create_product
from resolvers.runs import Run
from resolvers.scalars import Quantity
from resolvers.services import Services

SEED = 2026


@dataclass(frozen=True, slots=True)
class Shelf:
    """One category: what its products are called, and the range of their prices in cents."""

    category: str
    kinds: tuple[str, ...]
    variants: tuple[str, ...]
    cheapest: int
    dearest: int


SHELVES = (
    Shelf(
        "Coffee", ("Espresso", "Flat white", "Cappuccino", "Filter coffee", "Cold brew"), ("small", "regular", "large", "decaf"), 180, 520
    ),
    Shelf("Tea", ("Assam", "Sencha", "Rooibos", "Peppermint", "Earl Grey"), ("cup", "pot", "iced"), 220, 490),
    Shelf(
        "Bakery",
        ("Croissant", "Cinnamon roll", "Carrot cake", "Brownie", "Rye bread"),
        ("plain", "vegan", "gluten-free", "to share"),
        160,
        890,
    ),
    Shelf("Lunch", ("Tomato soup", "Quiche", "Toasted sandwich", "Lentil salad"), ("small", "large", "with bread"), 450, 1290),
    Shelf("Beans to take home", ("Ethiopia", "Colombia", "Guatemala", "House blend"), ("250 g", "500 g", "1 kg"), 790, 3400),
    Shelf("Books", ("Crime", "Poetry", "Cookery", "Travel", "Picture book"), ("new", "second-hand", "signed"), 300, 4200),
    Shelf("Stationery", ("Notebook", "Fountain pen", "Postcard", "Calendar"), ("blue", "green", "black", "red"), 90, 5900),
)


async def fill_demo_shop(services: Services, *, products: int, email: str, password: str, progress: Callable[[int], None]) -> int:
    """Sees to it that the shop of this person sells so many products, and calls `progress` with how many it has; returns how many were
    added.

    Signs the person up where the address has no account yet. Raises UnauthenticatedError where it has one with another password.
    """
    scope = await _enter(services, email, password)
    categories = await _categories(services, scope)
    have = sum(category.row.product_count for category in categories.values())
    progress(have)
    ids = {name: category.id for name, category in categories.items()}
    for number, planned in enumerate(islice(_planned(ids), products), start=1):
        if number > have:
            await _mutate(services, scope, create_product, planned)
            progress(number)
    return max(0, products - have)


async def _enter(services: Services, email: str, password: str) -> Scope:
    try:
        person = SignUpInput(email=email, password=password, name="Dana Demo", business_name="Corner Café & Books", currency="EUR")
        session = await _mutate(services, None, sign_up, person)
    except ConflictError:
        session = await _mutate(services, None, sign_in, SignInInput(email=email, password=password))
    scope: Scope = session.scope
    return scope


async def _categories(services: Services, scope: Scope) -> dict[str, ProductCategory]:
    """The shop's categories by name, those that were missing made."""
    page = await Reader(Snapshot(services.database), scope, services.cursors).page(tables.ProductCategory, "by_position", (), first=100)
    found = {row.name: ProductCategory.of(row) for row in page.rows}
    for shelf in SHELVES:
        if shelf.category not in found:
            found[shelf.category] = await _mutate(services, scope, create_product_category, CreateProductCategoryInput(name=shelf.category))
    return found


def _planned(categories: dict[str, strawberry.ID]) -> Iterator[CreateProductInput]:
    """Products without end, a shelf at a time in turn, each with a name of its own."""
    generator = random.Random(SEED)  # noqa: S311  a shop that looks the same each time, not a secret
    for season in count():
        for kind_and_variant in zip_longest(*(product(shelf.kinds, shelf.variants) for shelf in SHELVES)):
            for shelf, chosen in zip(SHELVES, kind_and_variant, strict=True):
                if chosen is not None:
                    yield _plan(generator, shelf, chosen, season, categories[shelf.category])


def _plan(generator: random.Random, shelf: Shelf, chosen: tuple[str, str], season: int, category_id: strawberry.ID) -> CreateProductInput:
    kind, variant = chosen
    name = f"{kind}, {variant}" + (f" (No. {season + 1})" if season else "")
    cents = generator.randrange(shelf.cheapest, shelf.dearest, 10)
    stock = generator.choice((0, generator.randrange(1, 6), generator.randrange(6, 60), generator.randrange(20, 200)))
    return CreateProductInput(
        name=name,
        sku=f"{shelf.category[:3].upper()}-{generator.getrandbits(40):010X}",
        price=Money(Decimal(cents) / 100),
        cost=Money((Decimal(cents) * generator.randrange(30, 65) / 10_000).quantize(Decimal("0.01"))),
        stock=Quantity(stock),
        low_stock_threshold=Quantity(generator.choice((0, 5, 10))),
        category_id=category_id,
    )


async def _mutate(services: Services, scope: Scope | None, function: Callable[..., Awaitable[Any]], input: object) -> Any:
    marking = marking_of(function)
    if marking is None:
        raise TypeError(f"{function} is not a mutation")
    return await Run(services, scope).mutate(function, marking, {"input": input}, "demo")
