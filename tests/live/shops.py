"""The model of the soak: a few businesses, what is known of their rows, and what their owners were told.

Names, prices and stocks come from so few values that ties, moves across page ends and pages that run empty are everyday.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from datastore import schema as tables
from datastore.errors import TillstreamError
from datastore.versions import BEGINNING, Version, from_wire
from tests.gql.api import PASSWORD, Api, Person

NAMES = ("Apple", "apple", "Äpfel", "Banana", "Cherry", "Date", "Elder", "Fig", "Grape", "Zucchini")
PRICES = ("1.00", "1.50", "2.00", "3.00")
MOST_STOCK = 6
SCALE_TOTAL = 100
"""The stock of a shop's two scale products together, whatever happens."""

EXPECTED_REFUSALS = {"NOT_FOUND", "CONFLICT", "UNAVAILABLE", "UNAUTHENTICATED"}

SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) { accessToken refreshToken user { id email account { id } } }
}
"""
CREATE = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id updatedAt } }"
CREATE_CATEGORY = "mutation ($name: String!) { createProductCategory(input: {name: $name}) { id updatedAt } }"


@dataclass
class Shop:
    """One business. The ids are what was once there: some will be gone."""

    devices: list[Person]
    products: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    scale: tuple[str, ...] = ()
    signed_out: list[Person] = field(default_factory=list)
    away: list[dict[str, Any]] = field(default_factory=list)
    """Products that were taken away and may come back under their old ids."""

    @property
    def account_id(self) -> str:
        """The business."""
        return self.devices[0].account_id

    def device(self, random: Random) -> Person:
        """One that is signed in."""
        return random.choice(self.devices)

    def product(self, random: Random) -> str:
        """The id of a product: usually one that is or was there, the later ones more often."""
        if self.away and random.random() < 0.15:
            id: str = random.choice(self.away)["_id"]
            return id
        if not self.products or random.random() < 0.03:
            return tables.Product.new_id()
        return random.choice(self.products[-14:])

    def category(self, random: Random) -> str:
        """The id of a category, likewise."""
        if not self.categories or random.random() < 0.03:
            return tables.ProductCategory.new_id()
        return random.choice(self.categories[-5:])


class World:
    """All businesses, the public API, and the database as somebody with a shell sees it."""

    def __init__(self, api: Api, driver: Any) -> None:
        self.api = api
        self.driver = driver
        self.shops: list[Shop] = []
        self.told: defaultdict[str, list[tuple[Version, str]]] = defaultdict(list)
        """By row: the versions and `updatedAt` of the mutations that were acknowledged."""
        self.acknowledged = BEGINNING
        """The latest version that a mutation through the API was told."""

        self.opened = BEGINNING
        """A version before the first shop, and after all collections were made."""

        self.refusals: defaultdict[str, int] = defaultdict(int)
        self.writes = 0

    async def open_shops(self, random: Random, count: int = 2, products: int = 8) -> None:
        """New businesses with a few rows each."""
        self.opened = self.opened or await self.api.services.database.ping()
        for _ in range(count):
            shop = Shop([await self.api.sign_up()])
            shop.devices.append(await self.sign_in(shop.devices[0]))
            self.shops.append(shop)
            for name in random.sample(NAMES[3:], 3):
                await self.create_category(shop, name)
            for _ in range(products):
                await self.create_product(shop, random)
            scale = [await self.create_product(shop, random, stock=SCALE_TOTAL // 2) for _ in range(2)]
            shop.scale = tuple(id for id in scale if id is not None)

    async def sign_in(self, person: Person) -> Person:
        """Another device of the same person."""
        data = await self.api.data(SIGN_IN, {"input": {"email": person.email, "password": PASSWORD}})
        session = data["signIn"]
        return Person(person.email, session["accessToken"], session["refreshToken"], person.user_id, person.account_id)

    async def create_product(self, shop: Shop, random: Random, **values: Any) -> str | None:
        """A new product through the API; its id, unless it was refused."""
        input: dict[str, Any] = {"name": random.choice(NAMES), "price": random.choice(PRICES), "stock": random.randint(0, MOST_STOCK)}
        if shop.categories and random.random() < 0.7:
            input["categoryId"] = shop.category(random)
        if random.random() < 0.3:
            input["sku"] = sku(random)
        made = await self.mutate(shop, random, CREATE, {"input": input | {"lowStockThreshold": random.randint(0, 3)} | values})
        if made is None and values:
            return await self.create_product(shop, random, **values)
        return None if made is None else _noted(shop.products, made["createProduct"]["id"])

    async def create_category(self, shop: Shop, name: str) -> None:
        """A new category through the API, unless its name is taken."""
        made = await self.mutate(shop, Random(0), CREATE_CATEGORY, {"name": name})
        if made is not None:
            _noted(shop.categories, made["createProductCategory"]["id"])

    async def mutate(self, shop: Shop, random: Random, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The data of a mutation through the API; None where it was refused with a code that a busy shop must expect."""
        self.writes += 1
        try:
            answer = await self.api.execute(document, variables, caller=shop.device(random))
        except TillstreamError as refused:
            answer = {"errors": [{"extensions": refused.extensions()}]}
        if "errors" in answer:
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            assert codes <= EXPECTED_REFUSALS, (document, variables, answer)
            for code in codes:
                self.refusals[code] += 1
            return None
        self._note(answer)
        data: dict[str, Any] = answer["data"]
        return data

    def _note(self, answer: dict[str, Any]) -> None:
        version = from_wire(answer.get("extensions", {}).get("version", ""))
        if version is not None:
            self.acknowledged = max(self.acknowledged, version)
            for row in objects(answer["data"]):
                if "id" in row and "updatedAt" in row:
                    self.told[row["id"]].append((version, row["updatedAt"]))


def sku(random: Random) -> str:
    """One of few."""
    return f"S-{random.randint(1, 6)}"


def now() -> datetime:
    """This moment as it is stored."""
    return datetime.fromtimestamp(int(datetime.now(UTC).timestamp() * 1000) / 1000, UTC)


def product_document(shop: Shop, random: Random, category_id: str | None) -> dict[str, Any]:
    """A product as the database stores it."""
    moment = now()
    row = tables.Product(
        id=tables.Product.new_id(),
        created_at=moment - timedelta(days=random.randint(0, 3)),
        updated_at=moment,
        account_id=shop.account_id,
        name=random.choice(NAMES),
        description="",
        sku=None,
        barcode=None,
        category_id=category_id,
        currency="USD",
        price_minor=random.choice((100, 150, 200, 300)),
        cost_minor=None,
        tax_rate_ppm=None,
        track_stock=True,
        stock=random.randint(0, MOST_STOCK),
        low_stock_threshold=random.randint(0, 3),
        archived=random.random() < 0.2,
    )
    return row.to_document()


def movement_document(shop: Shop, product_id: str, delta: int, stock_after: int) -> dict[str, Any]:
    """A stock movement as the database stores it."""
    moment = now()
    row = tables.StockMovement(
        id=tables.StockMovement.new_id(),
        created_at=moment,
        updated_at=moment,
        account_id=shop.account_id,
        product_id=product_id,
        delta=delta,
        stock_after=stock_after,
        reason="counted",
        user_id=shop.devices[0].user_id,
    )
    return row.to_document()


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a result, from the outside in."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def _noted(ids: list[str], id: str) -> str:
    ids.append(id)
    return id
