"""What every client must get of a live operation, over every transport that it speaks."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.node_client import Event, NodeClient, node_client
from tests.clients.served import Served
from tests.clients.shop import Shop
from tests.gql.api import PASSWORD

pytestmark = pytest.mark.clients

CLIENTS = {
    "graphql-ws": ("plain.mjs", "websocket"),
    "Apollo Client": ("apollo.mjs", "websocket"),
    "urql": ("urql.mjs", "websocket"),
    "graphql-sse": ("plain.mjs", "sse"),
    "Apollo Client over HTTP": ("apollo.mjs", "multipart"),
    "urql over HTTP": ("urql.mjs", "sse"),
}
COME_BACK = [name for name in CLIENTS if name != "urql over HTTP"]


@pytest.fixture(params=CLIENTS)
async def client(request: pytest.FixtureRequest, served: Served, shop: Shop) -> AsyncIterator[NodeClient]:
    program, transport = CLIENTS[request.param]
    async with node_client(program, transport=transport, url=served.url, email=shop.owner.email, password=PASSWORD) as client:
        yield client


def stocks(event: Event) -> dict[str, int]:
    return {product["name"]: product["stock"] for product in event["products"]}


async def test_it_gives_its_first_result_and_follows_what_others_change(client: NodeClient, shop: Shop) -> None:
    await client.ask("live")
    first = await client.told("result")
    assert stocks(first) == {"Apple": 10, "Pear": 20}
    await shop.adjust(shop.apple, 5)
    second = await client.told("result", number=2)
    assert stocks(second) == {"Apple": 15, "Pear": 20}
    assert second["version"] > first["version"]


async def test_signing_out_ends_it_with_an_error_that_says_why(client: NodeClient, shop: Shop) -> None:
    await client.ask("live")
    await client.told("result")
    await shop.sign_out(await client.ask("authorization"))
    ended = await client.told("ended")
    [error] = ended["errors"]
    assert error["message"] == "The session has ended."
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert ended["needsSignIn"] is True


async def test_it_outlives_many_keep_alives(client: NodeClient, served: Served, shop: Shop) -> None:
    await client.ask("live")
    await client.told("result")
    await served.keep_alives(5)
    await shop.adjust(shop.apple, 1)
    assert stocks(await client.told("result", number=2)) == {"Apple": 11, "Pear": 20}
    assert client.all("ended") == []
    assert served.streams == 1


@pytest.mark.parametrize("client", COME_BACK, indirect=True)
async def test_it_comes_back_after_a_restart_of_the_server_and_gets_what_changed_meanwhile(
    client: NodeClient, served: Served, shop: Shop
) -> None:
    await client.ask("live")
    before = await client.told("result")
    await served.stop()
    await shop.adjust(shop.apple, -1)
    await served.start()
    after = await client.told("result", number=2)
    assert stocks(after) == {"Apple": 9, "Pear": 20}
    assert after["version"] > before["version"]
    await shop.adjust(shop.pear, -1)
    assert stocks(await client.told("result", number=3)) == {"Apple": 9, "Pear": 19}
    assert client.all("ended") == []


@pytest.mark.parametrize("client", COME_BACK, indirect=True)
async def test_a_session_that_ended_while_the_client_was_away_ends_it(client: NodeClient, served: Served, shop: Shop) -> None:
    await client.ask("live")
    await client.told("result")
    authorization = await client.ask("authorization")
    await served.stop()
    await shop.sign_out(authorization)
    await served.start()
    ended = await client.told("ended")
    assert ended["needsSignIn"] is True


async def test_one_that_is_no_longer_wanted_ends_at_the_server(client: NodeClient, served: Served) -> None:
    await client.ask("live")
    await client.told("result")
    assert served.distinct_operations == 1
    await client.ask("stop")
    await served.until(lambda: served.distinct_operations == 0)
    assert [event for event in client.all("ended") if event["errors"]] == []
