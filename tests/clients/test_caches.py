"""What the normalising caches of Apollo Client and of urql (Graphcache) make of a live operation, with nothing wired to help them.

`live` is of the type `Query`, so what comes under it is written into the very entries that ordinary queries read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.clients.node_client import NodeClient, node_client
from tests.clients.served import Served
from tests.clients.shop import Shop
from tests.gql.api import PASSWORD
from tests.network import tcp_proxy

pytestmark = pytest.mark.clients

CLIENTS = {
    "Apollo Client": ("apollo.mjs", "websocket"),
    "urql": ("urql.mjs", "websocket"),
    "Apollo Client over HTTP": ("apollo.mjs", "multipart"),
    "urql over HTTP": ("urql.mjs", "sse"),
}
OPTIMISTS = CLIENTS | {"graphql-ws": ("plain.mjs", "websocket"), "graphql-sse": ("plain.mjs", "sse")}
CREATE = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id } }"

Start = Callable[..., AbstractAsyncContextManager[NodeClient]]


@pytest.fixture
def start(served: Served, shop: Shop) -> Start:
    @asynccontextmanager
    async def start(kind: str, **arguments: str) -> AsyncIterator[NodeClient]:
        program, transport = OPTIMISTS[kind]
        person = {"email": shop.owner.email, "password": PASSWORD}
        async with node_client(program, url=served.url, transport=transport, **person, **arguments) as client:
            yield client

    return start


def requests(client: NodeClient) -> int:
    """How many requests for queries the client made."""
    return len([event for event in client.all("fetched") if "subscription" not in event["request"]])


def listed(products: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(product["name"], product["stock"]) for product in products]


@pytest.mark.parametrize("kind", CLIENTS)
async def test_one_live_operation_refreshes_every_watched_query_of_the_same_fields(start: Start, kind: str, shop: Shop) -> None:
    async with start(kind) as client:
        await client.ask("watch", product=shop.apple)
        await client.until(lambda event: event["event"] == "list" and listed(event["products"]) == [("Apple", 10), ("Pear", 20)])
        await client.until(lambda event: event["event"] == "one" and event["product"]["stock"] == 10)
        asked = requests(client)

        await client.ask("keepFresh")
        await shop.adjust(shop.apple, 5)
        await client.until(lambda event: event["event"] == "list" and listed(event["products"]) == [("Apple", 15), ("Pear", 20)])
        await client.until(lambda event: event["event"] == "one" and event["product"]["stock"] == 15)

        await shop.api.data(CREATE, {"input": {"name": "Banana", "price": "1.00"}}, caller=shop.owner)
        await client.until(
            lambda event: event["event"] == "list" and listed(event["products"]) == [("Apple", 15), ("Banana", 0), ("Pear", 20)]
        )
        assert requests(client) == asked
        assert client.all("broken") == client.all("ended") == []


async def test_apollo_writes_what_is_live_into_the_root_of_its_cache(start: Start) -> None:
    async with start("Apollo Client") as client:
        await client.ask("live")
        await client.told("result")
        cache = await client.ask("cache")
        assert cache["ROOT_SUBSCRIPTION"]["live"] == {"__ref": "ROOT_QUERY"}
        assert len(cache["ROOT_QUERY"]['products({"first":5})']["nodes"]) == 2


@pytest.mark.parametrize("kind", OPTIMISTS)
async def test_an_optimistic_update_stays_until_a_live_result_contains_the_mutation(
    start: Start, kind: str, served: Served, shop: Shop
) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with tcp_proxy(host, int(port)) as proxy:
        async with start(kind, live=f"127.0.0.1:{proxy.port}") as client:
            if kind in CLIENTS:
                await client.ask("watch", product=shop.apple)
                await client.told("list")
            await client.ask("keepFresh" if kind in CLIENTS else "live")
            await shop.adjust(shop.pear, 1)  # what is live has begun when this has come
            await client.until(lambda event: event["event"] == "list" and ("Pear", 21) in listed(event["products"]))

            proxy.silence()
            await shop.adjust(shop.apple, 5)
            selling = await client.begin("sell", product=shop.apple, quantity=2)
            await client.until(lambda event: event["event"] == "fetched" and "adjustStock" in event["request"])
            proxy.resume()
            async with asyncio.timeout(1):  # that is, because of the live result, not because the client gave up waiting for it
                await client.answer(selling)
            await shop.adjust(shop.pear, 1)  # all that is older has come when this has
            await client.until(lambda event: event["event"] == "list" and ("Pear", 22) in listed(event["products"]))

            shown = [product["stock"] for event in client.all("list") for product in event["products"] if product["name"] == "Apple"]
            assert list(dict.fromkeys(shown)) == [10, 8, 13]
            assert shown == sorted(shown, key=[10, 8, 13].index)


@pytest.mark.parametrize("kind", ["Apollo Client", "urql"])
async def test_a_mutation_that_alters_nothing_of_what_is_watched_does_not_wait_for_ever(start: Start, kind: str, shop: Shop) -> None:
    async with start(kind) as client:
        sold = await client.ask("sell", product=shop.apple, quantity=2)
        assert sold["data"]["adjustStock"]["stock"] == shop.apple["stock"] - 2
        assert client.all("broken") == client.all("ended") == []
