"""The pings of a websocket, and what becomes of the pongs."""

import pytest
from websockets.asyncio.client import connect

from gql import sockets as wire_sockets
from gql.bodies import SocketMessage, socket_message
from tests.gql.test_websocket import PROTOCOL, SETTINGS, closing, greet, hear, say
from tests.gql.tiny_service import TinyService, serving

BARE_PONG = '{"type":"pong"}'


@pytest.fixture
def tiny() -> TinyService:
    return TinyService()


@pytest.mark.parametrize("pong", [BARE_PONG, '{"type": "pong"}', '{"type":"pong","payload":{}}'])
async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_closed_with_4499(tiny: TinyService, pong: str) -> None:
    async with (
        serving(tiny, SETTINGS, ping_seconds=0.05, pong_seconds=0.3) as served,
        connect(f"ws://{served.address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await greet(socket)
        for _ in range(8):
            assert await hear(socket) == {"type": "ping"}
            await socket.send(pong)
        assert await closing(socket) == (4499, "Terminated: no answer to a ping")


@pytest.fixture
def messages_received(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The text of every message that a task was woken for."""
    texts: list[str | None] = []

    def noted(text: str | None) -> SocketMessage:
        texts.append(text)
        return socket_message(text)

    monkeypatch.setattr(wire_sockets, "socket_message", noted)
    return texts


async def test_the_pong_that_is_awaited_wakes_no_task(tiny: TinyService, messages_received: list[str | None]) -> None:
    async with (
        serving(tiny, SETTINGS, ping_seconds=0.05, pong_seconds=5) as served,
        connect(f"ws://{served.address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await greet(socket)
        messages_received.clear()
        for _ in range(3):
            assert await hear(socket) == {"type": "ping"}
            await socket.send(BARE_PONG)
    assert messages_received == []


async def test_pongs_that_nobody_asked_for_wait_their_turn_like_other_messages(
    tiny: TinyService, messages_received: list[str | None]
) -> None:
    async with (
        serving(tiny, SETTINGS) as served,
        connect(f"ws://{served.address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await greet(socket)
        messages_received.clear()
        for _ in range(3):
            await socket.send(BARE_PONG)
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}
    assert messages_received[:3] == [BARE_PONG] * 3


async def test_a_pong_in_a_binary_frame_is_no_pong(tiny: TinyService) -> None:
    async with (
        serving(tiny, SETTINGS, ping_seconds=0.05, pong_seconds=5) as served,
        connect(f"ws://{served.address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await greet(socket)
        assert await hear(socket) == {"type": "ping"}
        await socket.send(BARE_PONG.encode())
        assert (await closing(socket))[0] == 4400
