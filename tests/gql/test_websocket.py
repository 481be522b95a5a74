"""graphql-transport-ws, on a real server with a real client."""

import asyncio
import itertools
import json
import logging
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from starlette.types import Message, Scope
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from datastore.settings import Settings
from gql import socket_protocol
from gql import sockets as wire_sockets
from gql.websocket import websocket_routes
from tests.gql.tiny_service import TinyService, serving, until

LIMIT_SECONDS = 10
PROTOCOL = Subprotocol("graphql-transport-ws")
SETTINGS = Settings(
    env="test", max_body_bytes=100_000, max_operations_per_socket=5, connection_init_seconds=0.3, allowed_origins=("https://shop.example",)
)
INIT = {"type": "connection_init"}
HOSTILE = {
    "a list": "[1]",
    "null": "null",
    "a number": "7",
    "nothing": "",
    "no JSON": "{",
    "deep": "[" * 90_000,
    "a big integer": '{"type":"ping","payload":{"x":' + "9" * 5000 + "}}",
    "a lone surrogate": '{"type":"complete","id":"\\ud800"}',
    "no type": "{}",
    "type a number": '{"type":1}',
    "unknown type": '{"type":"start","id":"1"}',
    "a server's type": '{"type":"next","id":"1","payload":{}}',
    "ping with a text": '{"type":"ping","payload":"x"}',
    "subscribe without id": '{"type":"subscribe","payload":{"query":"{ hello }"}}',
    "id a number": '{"type":"subscribe","id":1,"payload":{"query":"{ hello }"}}',
    "empty id": '{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}',
    "long id": '{"type":"subscribe","id":"' + "x" * 10_000 + '","payload":{"query":"{ hello }"}}',
    "no payload": '{"type":"subscribe","id":"1"}',
    "no query": '{"type":"subscribe","id":"1","payload":{}}',
    "query a number": '{"type":"subscribe","id":"1","payload":{"query":7}}',
    "variables a list": '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","variables":[]}}',
    "a batch": '{"type":"subscribe","id":"1","payload":[{"query":"{ hello }"}]}',
    "complete without id": '{"type":"complete"}',
}


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[tuple[TinyService, str]]:
    service = TinyService()
    async with serving(service, SETTINGS) as served:
        yield service, served.address


@pytest.fixture
def tiny(served: tuple[TinyService, str]) -> TinyService:
    served[0].reset()
    return served[0]


@pytest.fixture
def url(served: tuple[TinyService, str]) -> str:
    return f"ws://{served[1]}/graphql"


@pytest.fixture
async def bare(tiny: TinyService, url: str) -> AsyncIterator[ClientConnection]:
    """A socket that has not introduced itself."""
    del tiny
    async with connect(url, subprotocols=[PROTOCOL], compression=None) as socket:
        yield socket


@pytest.fixture
async def socket(bare: ClientConnection) -> ClientConnection:
    """A socket that has been acknowledged."""
    await greet(bare)
    return bare


async def greet(socket: ClientConnection, payload: object = None) -> None:
    await say(socket, INIT | ({"payload": payload} if payload is not None else {}))
    assert await hear(socket) == {"type": "connection_ack"}


async def say(socket: ClientConnection, message: object) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(LIMIT_SECONDS):
        text = await socket.recv()
    assert isinstance(text, str)
    return json.loads(text)


async def ask(socket: ClientConnection, operation_id: str, query: str, **more: object) -> None:
    await say(socket, {"type": "subscribe", "id": operation_id, "payload": {"query": query} | more})


async def closing(socket: ClientConnection) -> tuple[int | None, str | None]:
    """What the server closes with; messages before it are skipped."""
    async with asyncio.timeout(LIMIT_SECONDS):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason


@asynccontextmanager
async def no_complaints(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    with caplog.at_level(logging.WARNING):
        yield
    assert not caplog.records


async def test_an_introduced_client_is_acknowledged(bare: ClientConnection) -> None:
    assert bare.subprotocol == PROTOCOL
    await greet(bare)


@pytest.mark.parametrize("offered", [None, [Subprotocol("graphql-ws")], [Subprotocol("x"), Subprotocol("y")]])
async def test_other_subprotocols_are_closed_with_4406(url: str, offered: list[Subprotocol] | None) -> None:
    async with connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol is None
        assert await closing(socket) == (4406, "Subprotocol not acceptable")


async def test_our_subprotocol_is_chosen_among_others(url: str) -> None:
    async with connect(url, subprotocols=[Subprotocol("graphql-ws"), PROTOCOL]) as socket:
        assert socket.subprotocol == PROTOCOL


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://shop.example.evil", "https://", "x"])
async def test_a_page_of_another_origin_gets_403(url: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, subprotocols=[PROTOCOL], additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("own", [True, False])
async def test_our_own_pages_and_listed_ones_are_let_in(url: str, *, own: bool) -> None:
    origin = url.replace("ws://", "http://").removesuffix("/graphql") if own else "https://shop.example"
    async with connect(url, subprotocols=[PROTOCOL], additional_headers={"Origin": origin}) as socket:
        await greet(socket)
        await ask(socket, "1", "{ hello }")
        assert await hear(socket) == {"id": "1", "type": "next", "payload": {"data": {"hello": "world"}}}


async def test_a_client_that_does_not_introduce_itself_is_closed_with_4408(bare: ClientConnection) -> None:
    await say(bare, {"type": "ping"})
    assert await closing(bare) == (4408, "Connection initialisation timeout")


async def test_an_operation_before_the_introduction_is_closed_with_4401(bare: ClientConnection) -> None:
    await ask(bare, "1", "{ hello }")
    assert await closing(bare) == (4401, "Unauthorized")


async def test_pings_before_the_introduction_are_answered(bare: ClientConnection) -> None:
    await say(bare, {"type": "pong"})
    await say(bare, {"type": "complete", "id": "1"})
    await say(bare, {"type": "ping", "payload": {"at": 1}})
    assert await hear(bare) == {"type": "pong", "payload": {"at": 1}}


async def test_a_second_introduction_is_closed_with_4429(socket: ClientConnection) -> None:
    await say(socket, INIT)
    assert await closing(socket) == (4429, "Too many initialisation requests")


async def test_two_introductions_at_once_are_closed_with_4429(bare: ClientConnection) -> None:
    await asyncio.gather(say(bare, INIT), say(bare, INIT))
    assert await closing(bare) == (4429, "Too many initialisation requests")


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("introduced", [True, False])
async def test_what_is_no_message_is_closed_with_4400(
    bare: ClientConnection, message: str, caplog: pytest.LogCaptureFixture, *, introduced: bool
) -> None:
    async with no_complaints(caplog):
        if introduced:
            await greet(bare)
        await bare.send(message)
        code, reason = await closing(bare)
    assert code == 4400 or (code == 4401 and not introduced)
    assert reason


async def test_a_binary_message_is_closed_with_4400(socket: ClientConnection) -> None:
    await socket.send(b'{"type":"ping"}')
    assert await closing(socket) == (4400, "Messages are text frames, not binary ones")


async def test_text_that_is_not_utf8_is_closed_with_1007(socket: ClientConnection, caplog: pytest.LogCaptureFixture) -> None:
    async with no_complaints(caplog):
        await socket.send([b'{"type":"\xff"}'], text=True)
        assert (await closing(socket))[0] == 1007


async def test_a_message_that_is_too_long_is_closed_with_1009(socket: ClientConnection, caplog: pytest.LogCaptureFixture) -> None:
    async with no_complaints(caplog):
        await socket.send(json.dumps({"type": "ping", "payload": {"x": "x" * 100_000}}))
        assert (await closing(socket))[0] == 1009


async def test_a_message_in_many_frames_is_one_message(socket: ClientConnection) -> None:
    await socket.send(["{", '"type":', '"ping"', "}"])
    assert await hear(socket) == {"type": "pong"}


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
async def test_credentials_of_the_introduction_reach_the_service(bare: ClientConnection, name: str) -> None:
    await greet(bare, {name: "Bearer good", "other": 1})
    await ask(bare, "1", "{ whoami }")
    assert (await hear(bare))["payload"]["data"]["whoami"].startswith("ann ")


async def test_credentials_of_the_handshake_reach_the_service(tiny: TinyService, url: str) -> None:
    del tiny
    async with connect(url, subprotocols=[PROTOCOL], additional_headers={"Authorization": "Bearer good"}) as socket:
        await greet(socket)
        await ask(socket, "1", "{ whoami }")
        assert (await hear(socket))["payload"]["data"]["whoami"].startswith("ann ")


@pytest.mark.parametrize("payload", [None, {}, {"authorization": None}])
async def test_a_stranger_is_let_in_as_nobody(bare: ClientConnection, payload: object) -> None:
    await greet(bare, payload)
    await ask(bare, "1", "{ whoami }")
    assert (await hear(bare))["payload"]["data"]["whoami"].startswith("None ")


@pytest.mark.parametrize(
    ("authorization", "code", "reason"),
    [
        ("Bearer bad", 4403, "Forbidden: The token is invalid."),
        ("", 4403, "Forbidden: The token is invalid."),
        ("Bearer down", 1013, "The database does not answer."),
        ("Bearer busy", 1013, "Too many tries."),
        (7, 4400, "The payload's authorization must be a string"),
        ({}, 4400, "The payload's authorization must be a string"),
    ],
)
async def test_bad_credentials_are_closed_with_the_reason(bare: ClientConnection, authorization: object, code: int, reason: str) -> None:
    await say(bare, INIT | {"payload": {"authorization": authorization}})
    assert await closing(bare) == (code, reason)


async def test_a_fault_of_ours_in_the_introduction_tells_nothing(bare: ClientConnection, caplog: pytest.LogCaptureFixture) -> None:
    await say(bare, INIT | {"payload": {"authorization": "Bearer broken"}})
    code, reason = await closing(bare)
    assert reason is not None
    assert (code, "secret" in reason) == (4500, False)
    assert reason.removeprefix("Internal error, request ") in caplog.text


async def test_queries_and_mutations_are_answered_once_and_completed(socket: ClientConnection, tiny: TinyService) -> None:
    await ask(socket, "a", "query ($t: String) { echo(text: $t) }", variables={"t": "é"})
    assert await hear(socket) == {"id": "a", "type": "next", "payload": {"data": {"echo": "é"}}}
    assert await hear(socket) == {"id": "a", "type": "complete"}
    await ask(socket, "a", "query A { hello } mutation B { add }", operationName="B")
    assert await hear(socket) == {"id": "a", "type": "next", "payload": {"data": {"add": 1}}}
    assert await hear(socket) == {"id": "a", "type": "complete"}
    assert tiny.added == 1


async def test_an_id_is_sent_back_as_it_came(socket: ClientConnection) -> None:
    odd = '"}\\ \u2028 é 😀 \x00'
    await ask(socket, odd, "{ hello }")
    assert [(await hear(socket))["id"] for _ in range(2)] == [odd, odd]


@pytest.mark.parametrize("query", ["{", "", "{ nope }", "query A { hello } query B { hello }"])
async def test_a_document_that_cannot_be_carried_out_ends_in_an_error(socket: ClientConnection, query: str) -> None:
    await ask(socket, "1", query)
    message = await hear(socket)
    assert (message["type"], message["id"]) == ("error", "1")
    assert message["payload"][0]["extensions"]["code"] == "INVALID_INPUT"
    await ask(socket, "1", "{ hello }")
    assert (await hear(socket))["type"] == "next"


async def test_errors_of_execution_come_with_the_result(socket: ClientConnection) -> None:
    await ask(socket, "1", "{ hello refused }")
    payload = (await hear(socket))["payload"]
    assert payload["data"] == {"hello": "world", "refused": None}
    assert payload["errors"][0]["extensions"]["fields"] == [{"path": "input.name", "message": "is too long."}]


async def test_a_subscription_sends_its_results_and_completes(socket: ClientConnection) -> None:
    await ask(socket, "1", "subscription { three }")
    assert [(await hear(socket))["payload"]["data"]["three"] for _ in range(3)] == [1, 2, 3]
    assert await hear(socket) == {"id": "1", "type": "complete"}


async def test_a_final_payload_ends_a_subscription_with_its_errors(socket: ClientConnection, tiny: TinyService) -> None:
    await ask(socket, "1", "subscription { bad }")
    assert await hear(socket) == {"id": "1", "type": "error", "payload": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}
    await until(lambda: tiny.open_subscriptions == 0)
    await ask(socket, "1", "{ hello }")
    assert (await hear(socket))["type"] == "next"


async def test_a_subscription_that_breaks_ends_alone(socket: ClientConnection, caplog: pytest.LogCaptureFixture) -> None:
    await ask(socket, "1", "subscription { broken }")
    [error] = (await hear(socket))["payload"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["requestId"] in caplog.text
    assert "secret" not in str(error)
    await ask(socket, "1", "{ hello }")
    assert (await hear(socket))["type"] == "next"


async def test_a_completed_subscription_is_closed_and_silent(socket: ClientConnection, tiny: TinyService) -> None:
    await ask(socket, "1", "subscription { news }")
    await tiny.publish(1)
    assert (await hear(socket))["payload"]["data"] == {"news": 1}
    await say(socket, {"type": "complete", "id": "1"})
    await until(lambda: tiny.open_subscriptions == 0)
    await tiny.publish(2)
    await say(socket, {"type": "ping"})
    assert await hear(socket) == {"type": "pong"}


async def test_completing_what_is_unknown_is_no_error(socket: ClientConnection) -> None:
    await say(socket, {"type": "complete", "id": "never"})
    await say(socket, {"type": "complete", "id": "never"})
    await say(socket, {"type": "ping"})
    assert await hear(socket) == {"type": "pong"}


@pytest.mark.parametrize("first", ["subscription { news }", "mutation { heldAdd }", "{ held }"])
async def test_an_id_in_use_is_closed_with_4409(socket: ClientConnection, tiny: TinyService, first: str) -> None:
    await ask(socket, "seven", first)
    await ask(socket, "seven", "{ hello }")
    assert await closing(socket) == (4409, "Subscriber for seven already exists")
    tiny.gate.set()
    await until(lambda: tiny.open_subscriptions == tiny.waiting == 0)


async def test_too_many_operations_are_refused_and_the_socket_stays(socket: ClientConnection, tiny: TinyService) -> None:
    for number in range(5):
        await ask(socket, str(number), "subscription { news }")
    await ask(socket, "one more", "{ hello }")
    refused = await hear(socket)
    assert (refused["type"], refused["id"]) == ("error", "one more")
    assert refused["payload"][0]["extensions"]["code"] == "TOO_COMPLEX"
    await until(lambda: tiny.open_subscriptions == 5)
    await say(socket, {"type": "complete", "id": "0"})
    await until(lambda: tiny.open_subscriptions == 4)
    await ask(socket, "one more", "{ hello }")
    assert (await hear(socket))["type"] == "next"


async def test_operations_completed_before_they_began_leave_room(socket: ClientConnection) -> None:
    for number in range(50):
        await socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": {"query": "subscription { news }"}}))
        await socket.send(json.dumps({"type": "complete", "id": str(number)}))
    await say(socket, {"type": "ping"})
    while (await hear(socket))["type"] != "pong":
        pass
    await ask(socket, "last", "{ hello }")
    assert (await hear(socket))["type"] == "next"


async def test_a_closed_socket_ends_queries_and_subscriptions_but_no_mutation(tiny: TinyService, url: str) -> None:
    async with connect(url, subprotocols=[PROTOCOL]) as socket:
        await greet(socket)
        await ask(socket, "1", "subscription { news }")
        await ask(socket, "2", "{ held }")
        await ask(socket, "3", "mutation { heldAdd }")
        await until(lambda: tiny.waiting == 2)
    await until(lambda: tiny.open_subscriptions == 0 and tiny.cancelled == 1)
    assert tiny.waiting == 1
    tiny.gate.set()
    await until(lambda: tiny.added == 1)


async def test_a_socket_that_breaks_off_ends_its_operations(tiny: TinyService, url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with no_complaints(caplog), connect(url, subprotocols=[PROTOCOL]) as socket:
        await greet(socket)
        await ask(socket, "1", "subscription { news }")
        await until(lambda: tiny.open_subscriptions == 1)
        socket.transport.abort()
        await until(lambda: tiny.open_subscriptions == 0)
    assert not tiny.sent, "nothing was published: only the socket's end can have ended it"


async def test_a_completed_mutation_is_carried_out_in_silence(socket: ClientConnection, tiny: TinyService) -> None:
    await ask(socket, "1", "mutation { heldAdd }")
    await until(lambda: tiny.waiting == 1)
    await say(socket, {"type": "complete", "id": "1"})
    await say(socket, {"type": "ping"})
    assert await hear(socket) == {"type": "pong"}
    tiny.gate.set()
    await until(lambda: tiny.added == 1)
    await ask(socket, "1", "{ hello }")
    assert await hear(socket) == {"id": "1", "type": "next", "payload": {"data": {"hello": "world"}}}


def deaf(address: str) -> sockets.socket:
    """A socket of a client that has little room for what it does not read."""
    host, port = address.split(":")
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect((host, int(port)))
    raw.setblocking(False)
    return raw


async def test_a_slow_reader_gets_the_newest_and_holds_up_nobody(served: tuple[TinyService, str], tiny: TinyService, url: str) -> None:
    async with (
        connect(url, sock=deaf(served[1]), subprotocols=[PROTOCOL], compression=None, max_queue=1) as slow,
        connect(url, subprotocols=[PROTOCOL]) as quick,
    ):
        await greet(slow)
        await greet(quick)
        await ask(slow, "1", "subscription { big }")
        await ask(quick, "1", "subscription { news }")
        await until(lambda: tiny.open_subscriptions == 2)
        for number in range(1, 201):
            await tiny.publish(number)
            assert (await hear(quick))["payload"]["data"] == {"news": number}
        quickly = 200
        made_for_slow = len(tiny.sent) - quickly
        heard = [0]
        while heard[-1] < 200:
            heard.append((await hear(slow))["payload"]["extensions"]["number"])
    assert heard == sorted(set(heard))
    # What fits into the kernel's buffers, the transport's and the client's, of 20 MB.
    assert made_for_slow < 100


async def test_a_client_that_reads_nothing_is_cut_off(tiny: TinyService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_protocol, "_LINGER_SECONDS", 0.1)
    monkeypatch.setattr(wire_sockets, "_CLOSE_SECONDS", 0.1)
    async with serving(tiny, SETTINGS, ping_seconds=0.1, pong_seconds=0.3) as served:
        socket = await connect(f"ws://{served.address}/graphql", sock=deaf(served.address), subprotocols=[PROTOCOL], compression=None)
        await greet(socket)
        await ask(socket, "1", "subscription { big }")
        await until(lambda: tiny.open_subscriptions == 1)
        socket.transport.pause_reading()
        for number in itertools.count(1):
            await tiny.publish(number)
            await asyncio.sleep(0)
            if tiny.open_subscriptions == 0:
                break
        await until(lambda: served.connections == 0)
        assert tiny.open_subscriptions == 0
        socket.transport.abort()
        await socket.wait_closed()
    assert socket.close_code == 1006, "cut, not closed: the farewell could not be read"


async def test_messages_that_came_together_leave_others_their_turn(tiny: TinyService) -> None:
    messages = iter([{"type": "websocket.connect"}, text(INIT), *[text({"type": "ping"})] * 500, {"type": "websocket.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    [route] = websocket_routes(tiny, SETTINGS)
    assert isinstance(route, WebSocketRoute)
    scope: Scope = {"type": "websocket", "headers": [], "subprotocols": [PROTOCOL]}
    conversation = asyncio.ensure_future(route.app(scope, receive, send))
    turns = 0
    while not conversation.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(sent) == 502
    assert turns > 500


def text(message: object) -> Message:
    return {"type": "websocket.receive", "text": json.dumps(message)}
