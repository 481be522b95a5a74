"""A believable demo shop: a café with a small bookshop, made through the same mutations that a client calls.

The same arguments give the same shop: names, prices, stock and everything that is sold and spent come from seeded generators.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, islice, product, zip_longest
from typing import Any

import strawberry

from datastore import schema as tables
from datastore.bulk_writing import BulkWriter
from datastore.errors import ConflictError
from datastore.reading import Reader, Snapshot
from datastore.scope import Scope
from datastore.transactions import Transaction, run_transaction
from resolvers.demo_books import Till, open_books
from resolvers.demo_trade import Due, Plan, months_before
from resolvers.functions import marking_of
from resolvers.money import Money, Percentage
from resolvers.new_accounts import SignUpInput, found_business
from resolvers.product_categories import CreateProductCategoryInput, ProductCategory, create_product_category
from resolvers.product_inputs import CreateProductInput
from resolvers.products import create_product
from resolvers.runs import Run
from resolvers.sales import NUMBERS
from resolvers.scalars import Quantity
from resolvers.services import Services
from resolvers.settings import UpdateSettingsInput, settings_row, update_settings
from resolvers.sign_ins import SignInInput, sign_in

SEED = 2026
RATE, REDUCED_RATE = Percentage(Decimal(19)), Percentage(Decimal(7))
"""Of tax: on most things, and on food to take home and books."""

PATIENCE_SECONDS = 90.0
"""MongoDB keeps what a killed process held for a minute: who goes on where that stopped waits for it."""

TRADE = "demo trade"
"""What the series begin with that count the steps of plans."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One category: what its products are called, and the range of their prices in cents."""

    category: str
    kinds: tuple[str, ...]
    variants: tuple[str, ...]
    cheapest: int
    dearest: int
    tax_rate: Percentage | None = None
    """None: that of the settings."""


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
        REDUCED_RATE,
    ),
    Shelf("Lunch", ("Tomato soup", "Quiche", "Toasted sandwich", "Lentil salad"), ("small", "large", "with bread"), 450, 1290),
    Shelf("Beans to take home", ("Ethiopia", "Colombia", "Guatemala", "House blend"), ("250 g", "500 g", "1 kg"), 790, 3400, REDUCED_RATE),
    Shelf("Books", ("Crime", "Poetry", "Cookery", "Travel", "Picture book"), ("new", "second-hand", "signed"), 300, 4200, REDUCED_RATE),
    Shelf("Stationery", ("Notebook", "Fountain pen", "Postcard", "Calendar"), ("blue", "green", "black", "red"), 90, 5900),
)


async def fill_demo_shop(services: Services, *, products: int, email: str, password: str, progress: Callable[[int], None]) -> int:
    """Sees to it that the shop of this person sells so many products, and calls `progress` with how many it has; returns how many were
    added.

    Signs the person up where the address has no account yet. Raises UnauthenticatedError where it has one with another password.
    """
    scope = await enter_demo_shop(services, email, password)
    categories = await _categories(services, scope)
    have = sum(category.row.product_count for category in categories.values())
    progress(have)
    ids = {name: category.id for name, category in categories.items()}
    for number, planned in enumerate(islice(_planned(ids), products), start=1):
        if number > have:
            await _mutate(services, scope, create_product, planned)
            progress(number)
    return max(0, products - have)


async def trade_in_demo_shop(
    services: Services, scope: Scope, *, sales: int, months: int, last_day: date, progress: Callable[[int], None]
) -> int:
    """Sees to it that the shop has made so many sales, with all that goes with them, and calls `progress` with how many it has made;
    returns how many were added.

    What is missing is spread over so many months up to the last day. What was interrupted before is finished first, as it was planned.
    Raises ConflictError where the same is being done by another process.
    """
    added = 0
    while (trade := await _next_trade(services, scope, sales, months, last_day)) is not None:
        due: list[Due] | None = None
        for step in range(trade.done + 1, trade.steps + 1):
            progress(trade.before + trade.sold(step - 1))
            due = await _take_step(services, scope, trade, step, due)
        added += trade.plan.sales - trade.sold(trade.done)
        progress(trade.before + trade.plan.sales)
    return added


@dataclass(frozen=True, slots=True)
class _Trade:
    """A plan, how many sales there were before it, and how many of its steps have been taken; the first opens the books."""

    plan: Plan
    before: int
    done: int

    @property
    def steps(self) -> int:
        return 1 + -(-self.plan.sales // self.plan.at_once)

    def sold(self, steps: int) -> int:
        """How many sales of the plan have been made after so many steps."""
        return min(self.plan.sales, max(0, steps - 1) * self.plan.at_once)


async def _next_trade(services: Services, scope: Scope, sales: int, months: int, last_day: date) -> _Trade | None:
    """What was begun and not finished, else what is missing; None where nothing is."""
    reader = Reader(Snapshot(services.database), scope, services.cursors)
    settings = await settings_row(reader)
    page = await reader.page(tables.Counter, "by_series", (), first=100, low=f"{TRADE} ", high=f"{TRADE}!")
    for row in page.rows:
        trade = _trade_of(row.series, row.value, settings.time_zone)
        if trade.done < trade.steps:
            return trade
    counter = await reader.find(tables.Counter, "by_series", NUMBERS)
    before = 0 if counter is None else counter.value
    if before >= sales:
        return None
    return _trade_of(f"{TRADE} {last_day} {months} {sales - before} {before}", 0, settings.time_zone)


def _trade_of(series: str, done: int, time_zone: str) -> _Trade:
    day, months, sales, before = series.removeprefix(f"{TRADE} ").split()
    last_day = date.fromisoformat(day)
    first_day = months_before(last_day, int(months)) + timedelta(days=1)
    return _Trade(Plan(series, first_day, last_day, int(sales), time_zone), int(before), done)


async def _take_step(services: Services, scope: Scope, trade: _Trade, step: int, due: list[Due] | None) -> list[Due] | None:
    """One transaction of a plan; returns the refunds that come in later steps."""

    async def body(transaction: Transaction) -> list[Due] | None:
        db = BulkWriter(transaction, scope)
        left = await _write_step(scope, db, trade, step, due)
        await db.flush()
        return left

    return (await run_transaction(services.database, body, patience=PATIENCE_SECONDS)).value


async def _write_step(scope: Scope, db: BulkWriter, trade: _Trade, step: int, due: list[Due] | None) -> list[Due] | None:
    if await db.next_number(trade.plan.name) != step:
        raise ConflictError("Another process is filling the same shop.")
    if step == 1:
        await open_books(trade.plan, scope, db)
        return due
    begin = trade.sold(step - 1)
    till = await Till.open(trade.plan, trade.before, scope, db, due, begin)
    await till.trade(begin)
    return till.due


async def enter_demo_shop(services: Services, email: str, password: str) -> Scope:
    """The scope of this person, who is signed up where the address has no account yet. Raises UnauthenticatedError as `fill_demo_shop`."""
    try:
        person = SignUpInput(
            email=email,
            password=password,
            name="Dana Demo",
            business_name="Corner Café & Books",
            currency="EUR",
            time_zone="Europe/Berlin",
        )
        session = await _mutate(services, None, found_business, person)
        await _mutate(services, session.scope, update_settings, UpdateSettingsInput.model_validate({"tax_rate": RATE}))
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
        tax_rate=shelf.tax_rate,
    )


async def _mutate(services: Services, scope: Scope | None, function: Callable[..., Awaitable[Any]], input: object) -> Any:
    marking = marking_of(function)
    if marking is None:
        raise TypeError(f"{function} is not a mutation")
    return await Run(services, scope).mutate(function, marking, {"input": input}, "demo")
