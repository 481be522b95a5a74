"""What is quiet stays alive behind a proxy that closes what is silent: nginx, as deploy/nginx.conf sets it up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.gql.api import Api, Person
from tests.gql.nginx import nginx_before
from tests.gql.streams import MULTIPART, SSE, streamed

LIVE = "subscription { live { productCategories { nodes { name } } } }"
CREATE = 'mutation { createProductCategory(input: { name: "Fruit" }) { id } }'
READ_TIMEOUT_SECONDS = 15


class Socket:
    """The results that came over a websocket whose pings are answered."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.ended = False


@asynccontextmanager
async def watching_over_a_websocket(url: str, owner: Person) -> AsyncIterator[Socket]:
    watched = Socket()
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {owner.access_token}"}}))
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": LIVE}}))

        async def follow() -> None:
            with suppress(ConnectionClosed):
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "ping":
                        await socket.send('{"type":"pong"}')
                    elif message["type"] == "next":
                        watched.results.append(message["payload"])
            watched.ended = True

        following = asyncio.create_task(follow())
        yield watched
        following.cancel()
        await asyncio.wait({following})


@pytest.mark.slow
async def test_all_transports_outlive_the_proxy_s_patience_and_deliver_afterwards(live_server: str, api: Api, tmp_path: Path) -> None:
    owner = await api.sign_up()
    upstream = live_server.removeprefix("http://")
    authorization = f"Bearer {owner.access_token}"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(nginx_before(upstream, tmp_path, read_timeout=f"{READ_TIMEOUT_SECONDS}s"))
        socket = await stack.enter_async_context(watching_over_a_websocket(url, owner))
        events = await stack.enter_async_context(streamed(url, LIVE, SSE, authorization=authorization))
        parts = await stack.enter_async_context(streamed(url, LIVE, MULTIPART, authorization=authorization))
        watched = (socket, events, parts)
        await _until(lambda: all(len(each.results) == 1 for each in watched), 10)
        begun = asyncio.get_running_loop().time()
        await _until(lambda: asyncio.get_running_loop().time() > begun + READ_TIMEOUT_SECONDS + 1.5, READ_TIMEOUT_SECONDS + 5)
        assert [each.ended for each in watched] == [False] * 3
        assert [len(each.results) for each in watched] == [1] * 3
        await api.data(CREATE, caller=owner)
        await _until(lambda: all(len(each.results) == 2 for each in watched), 5)
        for each in watched:
            assert each.results[-1]["data"]["live"]["productCategories"]["nodes"] == [{"name": "Fruit"}]


async def _until(condition: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
