"""What npm's graphql-ws, the reference client of graphql-transport-ws, does beyond what every client does (`test_live`)."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from resolvers.services import Services
from resolvers.tokens import AccessTokens
from tests.clients.node_client import Event, NodeClient, node_client
from tests.clients.served import Served
from tests.clients.shop import Shop
from tests.gql.api import PASSWORD
from tests.network import tcp_proxy

pytestmark = pytest.mark.clients

Start = Callable[..., AbstractAsyncContextManager[NodeClient]]


@pytest.fixture
def start(served: Served, shop: Shop) -> Start:
    @asynccontextmanager
    async def start(**arguments: str) -> AsyncIterator[NodeClient]:
        async with node_client("plain.mjs", url=served.url, email=shop.owner.email, password=PASSWORD, **arguments) as client:
            yield client

    return start


def is_heartbeat(wanted: tuple[str, bool], event: Event) -> bool:
    return (event["event"], event.get("received")) == wanted


async def test_pings_of_both_sides_are_answered_and_the_socket_stays(start: Start, shop: Shop) -> None:
    async with start() as client:
        await client.ask("open", keepAlive=50)
        await client.ask("live")
        for wanted in itertools.product(("ping", "pong"), (True, False)):
            await client.until(partial(is_heartbeat, wanted))
        await shop.adjust(shop.apple, 1)
        await client.told("result", number=2)
        assert (len(client.all("connected")), client.all("closed")) == (1, [])


async def test_a_first_connection_that_is_refused_is_tried_again(start: Start, served: Served) -> None:
    async with start() as client:
        await client.ask("authorization")  # it has signed in
        await served.stop()
        await client.ask("live")
        await client.told("closed")
        await served.start()
        await client.told("result")
        assert client.all("ended") == []


async def test_a_connection_that_fell_silent_is_replaced(start: Start, served: Served, shop: Shop) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with tcp_proxy(host, int(port)) as proxy:
        async with start(live=f"127.0.0.1:{proxy.port}") as client:
            await client.ask("open", keepAlive=50, patience=200)
            await client.ask("live")
            await client.told("result")
            proxy.silence()
            await shop.adjust(shop.apple, 1)
            await client.until(lambda event: event["event"] == "closed" and event["code"] == 4499)
            proxy.resume()
            result = await client.told("result", number=2)
            assert result["products"][0]["stock"] == 11
            assert client.all("ended") == []


async def test_a_renewed_token_leaves_the_socket_and_what_it_watches_as_they_are(shop: Shop, services: Services) -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Every token is about to expire, so that the session renews it whenever it is asked.
    server = Served(replace(services, tokens=AccessTokens(key, 20)))
    await server.start()
    try:
        async with node_client("plain.mjs", url=server.url, email=shop.owner.email, password=PASSWORD) as client:
            await client.ask("live")
            await client.told("result")
            await client.ask("authorization")
            # At once: they share one renewal, for a refresh token is good once.
            await asyncio.gather(client.ask("authorization"), client.ask("authorization"))
            await shop.adjust(shop.apple, 1)
            await client.told("result", number=2)
            assert len([event for event in client.all("fetched") if "refreshSession" in event["request"]]) == 3
            assert (len(client.all("connected")), client.all("closed"), len(client.all("result"))) == (1, [], 2)
    finally:
        await server.stop()
