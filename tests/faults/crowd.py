"""A crowd around one service: businesses whose owners write without pause and watch much, and what must be true when they rest.

Every write is tried again under its idempotency key until it is acknowledged, as a good client does it: in the end each has happened
exactly once.
"""

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from datastore.errors import TillstreamError
from datastore.migrate import migrate
from datastore.settings import Settings
from datastore.versions import BEGINNING, from_wire, to_wire
from gql.app import create_app, open_service, open_services
from tests.faults.replica_set import until
from tests.gql.api import Api, Person, Watching

CREATE = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id } }"
CREATE_CATEGORY = "mutation ($input: CreateProductCategoryInput!) { createProductCategory(input: $input) { id } }"
ADJUST = "mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id stock } }"
STOCKS = "{ products(first: 100) { nodes { id stock } } }"

PRODUCTS_OF_AN_OWNER = 6
SETTLING_SECONDS = 30.0
"""How long everything may take to be as it should be, once a fault is over: a busy machine of two cores runs the servers as well."""

TELLING_SECONDS = 12.0
"""How long results may be stale before they say so: what it takes a driver and the engine to find that nobody answers, and some more."""

_BACKOFF_SECONDS = 0.05
_numbers = itertools.count(1)


@dataclass
class Served:
    """One process of the application: the API without a transport between, and the application that a proxy asks whether it is ready."""

    api: Api
    client: httpx.AsyncClient

    async def readiness(self) -> tuple[int, dict[str, bool]]:
        """The status of `/readyz`, and what it says of each part."""
        response = await self.client.get("/readyz")
        checks: dict[str, bool] = response.json()["checks"]
        return response.status_code, checks

    async def until_ready(self, ready: bool = True) -> None:
        """Waits until `/readyz` says that the live results are fresh, or that they are not."""

        async def told() -> bool:
            status, checks = await self.readiness()
            return checks["live"] is ready and (status == 200 or not ready)

        await until(told, SETTLING_SECONDS)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    """The whole application on a migrated database."""
    async with open_services(settings) as services:
        await migrate(services.database)
        async with open_service(services) as service:
            transport = httpx.ASGITransport(create_app(service, services))
            async with httpx.AsyncClient(transport=transport, base_url="http://tillstream.test") as client:
                yield Served(Api(service, services), client)


@dataclass
class Business:
    """One owner, and what was acknowledged to them."""

    owner: Person
    stocks: Counter[str] = field(default_factory=Counter)
    """By product, how much of it there must be."""


@dataclass
class View:
    """One live operation that is being watched."""

    selection: str
    owner: Person
    watching: Watching


class Crowd:
    """All businesses, their writers and their watchers."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.businesses: list[Business] = []
        self.views: list[View] = []
        self.acknowledged = 0
        self.version = BEGINNING
        """Of the newest write that was acknowledged."""

        self.refusals = 0

    async def open_businesses(self, count: int) -> None:
        """New businesses with a few products each."""
        for _ in range(count):
            business = Business(await self.api.sign_up(f"owner{next(_numbers)}@faults.example"))
            self.businesses.append(business)
            category = await self.acknowledge(CREATE_CATEGORY, {"name": "Everything"}, business.owner)
            for number in range(PRODUCTS_OF_AN_OWNER):
                await self.add_product(business, f"Product {number}", categoryId=category["createProductCategory"]["id"])

    async def add_product(self, business: Business, name: str, **values: Any) -> None:
        """A new product, of which there is none in stock."""
        made = await self.acknowledge(CREATE, {"name": name, "price": "1.00", **values}, business.owner)
        business.stocks[made["createProduct"]["id"]] += 0

    async def acknowledge(self, document: str, input: dict[str, Any], caller: Person) -> dict[str, Any]:
        """The data of a mutation, tried again as long as the service is not available. Any other refusal fails the test."""
        key = secrets.token_hex(8)
        async with asyncio.timeout(SETTLING_SECONDS):
            while True:
                try:
                    answer = await self.api.execute(document, {"input": input}, caller=caller, idempotency_key=key)
                except TillstreamError as refused:
                    answer = {"errors": [{"message": refused.message, "extensions": refused.extensions()}]}
                if "errors" not in answer:
                    self.acknowledged += 1
                    self.version = max(self.version, from_wire(answer.get("extensions", {}).get("version", "")) or BEGINNING)
                    data: dict[str, Any] = answer["data"]
                    return data
                assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}, answer
                self.refusals += 1
                await asyncio.sleep(_BACKOFF_SECONDS)

    # --- writing ---

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Two writers go on while the context lasts; it ends when their last writes are acknowledged."""
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as writers:
            for businesses in (self.businesses[::2], self.businesses[1::2]):
                writers.create_task(self._write(businesses, ending))
            try:
                yield
            finally:
                ending.set()

    async def _write(self, businesses: list[Business], ending: asyncio.Event) -> None:
        for turn, business in enumerate(itertools.cycle(businesses)):
            if ending.is_set():
                return
            if turn % 50 == 49:
                await self.add_product(business, f"Product added {turn}")
            product = list(business.stocks)[turn % len(business.stocks)]
            await self.acknowledge(ADJUST, {"productId": product, "delta": 1, "reason": "counted"}, business.owner)
            business.stocks[product] += 1

    async def more_writes(self, count: int = 20) -> None:
        """Waits until the writers were acknowledged so many more writes."""
        wanted = self.acknowledged + count

        async def written() -> bool:
            return self.acknowledged >= wanted

        await until(written, SETTLING_SECONDS)

    # --- watching ---

    @asynccontextmanager
    async def watching(self, count: int) -> AsyncIterator[None]:
        """So many live operations, hardly two of them equal, each of which has had its first result."""
        async with AsyncExitStack() as stack:
            for business, selection in itertools.islice(self._questions(), count):
                live = f"subscription {{ live {selection} }}"
                watching = await stack.enter_async_context(self.api.watch(live, caller=business.owner))
                self.views.append(View(selection, business.owner, watching))
            yield
            self.views.clear()

    async def newer_results(self) -> None:
        """Waits until a result contains the newest write that is acknowledged now."""
        wanted = self.version

        async def seen() -> bool:
            return any(view.watching.versions[-1] >= wanted for view in self.views)

        await until(seen, SETTLING_SECONDS)

    def _questions(self) -> "itertools.chain[tuple[Business, str]]":
        """Questions without end, business by business in turn."""
        return itertools.chain.from_iterable(
            ((business, selection) for business, selection in zip(self.businesses, row, strict=True))
            for row in zip(*(_selections(list(business.stocks)) for business in self.businesses), strict=True)
        )

    # --- what must be true ---

    async def check(self) -> None:
        """Every write happened exactly once, every watcher knows what there is, and nobody was told nonsense meanwhile."""
        await self.at_rest()
        for view in self.views:
            assert view.watching.versions == sorted(view.watching.versions), "a result was older than the one before it"
            for result in view.watching.results:
                assert "errors" not in result, result
        for business in self.businesses:
            found = await self.api.data(STOCKS, caller=business.owner)
            assert {node["id"]: node["stock"] for node in found["products"]["nodes"]} == dict(business.stocks)

    async def at_rest(self) -> None:
        """Waits until the last result of every watcher equals a fresh query, and none says that it is stale."""
        behind = list(self.views)

        async def caught_up() -> bool:
            behind[:] = [view for view in behind if not await self._fresh(view)]
            return not behind

        try:
            await until(caught_up, SETTLING_SECONDS)
        except TimeoutError:
            view = behind[0]
            fresh = await self.api.execute(view.selection, caller=view.owner)
            raise AssertionError(f"{len(behind)} are stale: {view.selection}\n{view.watching.last}\n{fresh}\n{self._engine()}") from None

    def _engine(self) -> str:
        """How the engine fares, for whoever must find out what went wrong."""
        engine = self.api.engine
        queued = sum(run.queued for run in engine._runs)
        return f"ready: {engine.ready}, at {to_wire(engine._stream.position)}, {queued} of {len(engine._runs)} runs due, {engine.counters}"

    async def _fresh(self, view: View) -> bool:
        last = view.watching.last
        try:
            answer = await self.api.execute(view.selection, caller=view.owner)
        except TillstreamError:
            return False
        return last.get("data") == {"live": answer.get("data")} and not is_stale(last)

    async def all_told_that_stale(self, about: str = "") -> None:
        """Waits until the last result of every watcher (whose question contains `about`) says that it may be stale."""

        async def told() -> bool:
            return all(is_stale(view.watching.last) for view in self.views if about in view.selection)

        await until(told, TELLING_SECONDS)


def is_stale(result: dict[str, Any]) -> bool:
    """Whether a live result says that it may be out of date."""
    return result.get("extensions", {}).get("live", {}).get("stale") is True


def _selections(products: list[str]) -> "itertools.chain[str]":
    """Different selections of `Query`, those that differ most first."""
    kinds = [
        (f'{{ product(id: "{id}") {{ id name stock }} }}' for id in itertools.cycle(products)),
        (f"{{ products(first: {first}) {{ nodes {{ id name stock }} pageInfo {{ hasNextPage }} }} }}" for first in range(1, 100)),
        (f"{{ products(first: {first}, orderBy: STOCK, descending: true) {{ nodes {{ id stock }} }} }}" for first in range(1, 100)),
        (
            f"{{ productCategories {{ nodes {{ id productCount products(first: {first}) {{ nodes {{ id stock }} }} }} }} }}"
            for first in range(1, 100)
        ),
        (f'{{ stockMovements(productId: "{id}", first: {1 + n}) {{ nodes {{ delta }} }} }}' for n, id in enumerate(products * 10)),
    ]
    return itertools.chain.from_iterable(zip(*kinds, strict=False))
