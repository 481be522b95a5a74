"""What a server that is told to stop owes to those who are asking."""

import asyncio
import json

import pytest

from datastore.settings import Settings
from tests.gql.tiny_service import TinyService, serving, until

SECONDS = 5
BODY = json.dumps({"query": "{ hello }"}).encode()
REQUEST = b"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of one response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head.lower(), await reader.readexactly(length)


@pytest.mark.parametrize("asked_before", [0, 1, 2])
async def test_a_request_on_its_way_is_answered_though_the_server_stops(asked_before: int) -> None:
    async with serving(TinyService(), Settings(env="test")) as served, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*served.address.split(":"))
        await until(lambda: served.connections == 1)
        for _ in range(asked_before):
            writer.write(REQUEST)
            head, _ = await answer(reader)
            assert b"connection: close" not in head
        for connection in list(served.server.server_state.connections):
            connection.shutdown()
        writer.write(REQUEST)
        head, body = await answer(reader)
        assert b" 200 " in head.split(b"\r\n")[0]
        assert b"connection: close" in head
        assert "data" in json.loads(body)
        assert await reader.read() == b"", "and then it is closed"
        writer.close()


async def test_a_connection_that_asks_nothing_does_not_keep_a_server_from_stopping() -> None:
    async with serving(TinyService(), Settings(env="test")) as served:
        reader, writer = await asyncio.open_connection(*served.address.split(":"))
        await until(lambda: served.connections == 1)
        served.server.should_exit = True
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
