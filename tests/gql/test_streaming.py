"""Subscriptions over HTTP, whichever of the two protocols carries them: keep-alives, clients that leave or do not read, the end."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from datastore.settings import Settings
from tests.gql.api import Api
from tests.gql.streams import BOTH, streamed
from tests.gql.tiny_service import TinyService, serving, until

NEWS = "subscription { news }"
CREATE = "mutation { createProductCategory(input: { name: %s }) { id } }"
LIVE = "subscription { live { productCategories { nodes { name } } } }"


@pytest.fixture(params=BOTH, ids=["sse", "multipart"])
def accept(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[tuple[TinyService, str]]:
    service = TinyService()
    async with serving(service, Settings(env="test"), ping_seconds=0.05) as served:
        yield service, f"http://{served.address}"


@pytest.fixture
async def tiny(served: tuple[TinyService, str]) -> TinyService:
    await until(lambda: served[0].open_subscriptions == 0)
    served[0].reset()
    return served[0]


@pytest.fixture
def url(served: tuple[TinyService, str]) -> str:
    return served[1]


async def test_results_come_when_they_happen(url: str, tiny: TinyService, accept: str) -> None:
    async with streamed(url, NEWS, accept) as received:
        for number in (1, 2, 3):
            await until(lambda: tiny.open_subscriptions == 1)
            await tiny.publish(number)
            await received.count(number)
        assert received.results[-1] == {"data": {"news": 3}, "extensions": {"number": 3}}


async def test_a_quiet_stream_is_kept_alive(url: str, tiny: TinyService, accept: str) -> None:
    async with streamed(url, NEWS, accept) as received:
        await received.until(lambda: received.keep_alives >= 3)
        await tiny.publish(1)
        await received.count(1)
        assert not received.ended


async def test_a_client_that_leaves_closes_its_subscription_at_once(url: str, tiny: TinyService, accept: str) -> None:
    async with streamed(url, NEWS, accept):
        await until(lambda: tiny.open_subscriptions == 1)
        assert not tiny.sent, "nothing was published: only the client's leaving can have closed it"
    await until(lambda: tiny.open_subscriptions == 0)
    assert not tiny.sent


async def unread(url: str, accept: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asks for what is big and reads nothing."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    body = b'{"query":"subscription { big }"}'
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def test_a_slow_reader_is_sent_the_newest_and_nothing_between(url: str, tiny: TinyService, accept: str) -> None:
    reader, writer = await unread(url, accept)
    await until(lambda: tiny.open_subscriptions == 1)
    number = await publish_until_nobody_takes(tiny)
    taken = tiny.sent[:]
    got = b""
    async with asyncio.timeout(10):
        while b'"number":%d}' % number not in got:
            got += await reader.read(65_536)
    seen = [int(match) for match in re.findall(rb'"number":(\d+)}', got)]
    # Of all that came while its buffers were full, it is sent the last.
    assert seen == [*taken, number]
    writer.close()
    await writer.wait_closed()
    await until(lambda: tiny.open_subscriptions == 0)


async def publish_until_nobody_takes(tiny: TinyService) -> int:
    """Publishes until twenty in a row were taken by nobody; the last number."""
    number = 0
    async with asyncio.timeout(10):
        while number - len(tiny.sent) < 20:
            number += 1
            await tiny.publish(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    while number not in tiny.sent:
                        await asyncio.sleep(0)
    return number


async def test_a_client_that_takes_nothing_is_cut_off(accept: str, caplog: pytest.LogCaptureFixture) -> None:
    tiny = TinyService()
    async with serving(tiny, Settings(env="test"), stalled_seconds=0.2) as served:
        _, writer = await unread(f"http://{served.address}", accept)
        await until(lambda: tiny.open_subscriptions == 1)
        number = 0
        async with asyncio.timeout(20):
            while tiny.open_subscriptions:
                number += 1
                await tiny.publish(number)
                await asyncio.sleep(0)
        await until(lambda: served.connections == 0)
        writer.transport.abort()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_server_that_stops_breaks_its_streams_off_so_that_clients_come_back(accept: str, caplog: pytest.LogCaptureFixture) -> None:
    tiny = TinyService()
    async with serving(tiny, Settings(env="test")) as served:
        async with streamed(f"http://{served.address}", NEWS, accept) as received:
            await tiny.publish(1)
            await received.count(1)
            served.server.should_exit = True
            async with asyncio.timeout(1):
                await received.end()
            assert received.broken
            assert not received.completed
        await until(lambda: tiny.open_subscriptions == 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_live_operation_follows_changes(live_server: str, api: Api, accept: str) -> None:
    ann = await api.sign_up()
    async with streamed(live_server, LIVE, accept, authorization=f"Bearer {ann.access_token}") as received:
        await received.count(1)
        await api.data(CREATE % '"Fruit"', caller=ann)
        await received.count(2)
        assert [result["data"]["live"]["productCategories"]["nodes"] for result in received.results] == [[], [{"name": "Fruit"}]]
        assert received.results[0]["extensions"]["live"]["version"] < received.results[1]["extensions"]["live"]["version"]


async def test_signing_out_ends_the_stream_and_says_why(live_server: str, api: Api, accept: str) -> None:
    ann = await api.sign_up()
    async with streamed(live_server, LIVE, accept, authorization=f"Bearer {ann.access_token}") as received:
        await received.count(1)
        await api.data("mutation { signOut }", caller=ann)
        await received.end()
        assert received.results[-1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert received.completed


async def test_nobody_signed_in_is_told_so_and_the_stream_ends(live_server: str, accept: str) -> None:
    async with streamed(live_server, LIVE, accept) as received:
        await received.end()
        assert received.results[-1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert received.completed
