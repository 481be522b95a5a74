"""Processes that are killed while they send webhooks: every change is told of, those of a row in order, a repeat as what it is."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from datastore.database import Database
from datastore.settings import Settings, environment_of
from datastore.webhook_feed import EVER, FEED, QUEUES
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.receivers import Received, Receiver, receiving
from tests.resolvers.clocks import another_process
from tests.resolvers.hooks import make_endpoint

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 100
PRODUCTS = 8
CHANGES = 30
"""Of each product."""
KILLED_AT = (25, 90, 160)
"""How many messages have come when all processes are killed."""

CREATE = 'mutation { createProduct(input: {name: "Bun", price: "0"}) { id } }'
UPDATE = "mutation ($id: ID!, $price: Money!) { updateProduct(input: {id: $id, price: $price}) { id } }"

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(200)]


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """`tillstream worker`, killed when the context ends."""
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-m", "gql.command", "worker"), cwd=ROOT, env=environment_of(settings))
    try:
        yield
    finally:
        assert process.returncode is None, "it has ended by itself"
        process.kill()
        await process.wait()


async def pass_leases(database: Database) -> None:
    """What the dead hold is free, as it is half a minute later by itself."""
    for collection in (FEED, QUEUES):
        await database.command({"update": collection, "updates": [{"q": {}, "u": {"$set": {"lease_until": EVER}}, "multi": True}]})


async def change_all(api: Api, owner: Person, products: list[str], receiver: Receiver) -> None:
    """Raises the price of each product by one, again and again, never far ahead of what has come."""
    for price in range(1, CHANGES + 1):
        for id in products:
            await api.data(UPDATE, {"id": id, "price": str(price)}, caller=owner)
        while len(receiver.received) < (price - 10) * PRODUCTS:
            await asyncio.sleep(0.01)


def all_told(received: list[Received], products: list[str]) -> bool:
    """Whether as many different messages have come of each product as it was changed."""
    ids = {message.headers["webhook-id"]: message.about[1] for message in received}
    return all(list(ids.values()).count(product) >= CHANGES for product in products)


@pytest.mark.usefixtures("impatient_mongod")
async def test_killed_processes_lose_no_webhook_and_keep_the_order_of_each_row(
    services: Services, database: Database, settings: Settings
) -> None:
    allowing = settings.model_copy(update={"webhook_allow_private": True, "job_slots": 1})
    api = another_process(replace(services, settings=allowing))
    owner = await api.sign_up()
    products = [(await api.data(CREATE, caller=owner))["createProduct"]["id"] for _ in range(PRODUCTS)]
    async with receiving() as receiver, asyncio.timeout(LIMIT_SECONDS):
        await make_endpoint(api, owner, receiver.url, "product.updated")
        changing = asyncio.create_task(change_all(api, owner, products, receiver))
        for killed_at in (*KILLED_AT, None):
            async with working(allowing), working(allowing):
                while len(receiver.received) < killed_at if killed_at is not None else not all_told(receiver.received, products):
                    await asyncio.sleep(0.01)
            await pass_leases(database)
        await changing
    check(receiver.received, products)


def check(received: list[Received], products: list[str]) -> None:
    """Each change came once, but for what was under way when its sender was killed; each row's in the order that it was changed in."""
    by_id: dict[str, list[bytes]] = defaultdict(list)
    by_product: dict[str, list[str]] = defaultdict(list)
    for message in received:
        by_id[message.headers["webhook-id"]].append(message.body)
        by_product[message.about[1]].append(message.headers["webhook-id"])
    assert sorted(by_product) == sorted(products)
    for ids in by_product.values():
        in_order = list(dict.fromkeys(ids))
        assert len(in_order) == CHANGES
        assert ids == sorted(ids, key=in_order.index), "what was told before was told again behind something newer"
        prices = [Decimal(orjson.loads(by_id[id][0])["data"]["row"]["price"]) for id in in_order]
        assert prices == sorted(prices)
        assert prices[-1] == CHANGES
    assert all(len(set(bodies)) == 1 for bodies in by_id.values()), "a repeat says what the first said"
    assert max(map(len, by_id.values())) <= 1 + len(KILLED_AT)
