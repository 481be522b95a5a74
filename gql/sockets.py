"""A websocket as graphql-transport-ws sees it: its close codes, its frames, and a socket that sends one frame at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

import orjson
from starlette.types import Receive, Send

from gql.bodies import SocketMessage, socket_message
from gql.errors import FormattedError

BAD_REQUEST: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
SUBPROTOCOL_NOT_ACCEPTABLE: Final = 4406
INITIALISATION_TIMEOUT: Final = 4408
SUBSCRIBER_EXISTS: Final = 4409
TOO_MANY_INITIALISATIONS: Final = 4429
# Not the protocol's own, but known to its reference client, which comes back after 4499 and 1013 and gives up after 4500.
TERMINATED: Final = 4499
INTERNAL_ERROR: Final = 4500
TRY_AGAIN_LATER: Final = 1013

ACK_FRAME: Final = '{"type":"connection_ack"}'
PING_FRAME: Final = '{"type":"ping"}'
PONG_FRAME: Final = '{"type":"pong"}'


class Connection(Protocol):
    """What a connection can do beside what ASGI lets it (`gql.socket_protocol`)."""

    on_pong: Callable[[], bool] | None
    """Asked whether a bare pong was awaited: it is not received then, and wakes nobody. Most sockets never send anything else again."""

    def write_now(self, text: bytes) -> bool:
        """Writes a text frame if that can be done without waiting; says whether it was."""


connection_served: ContextVar[Connection | None] = ContextVar("connection_served", default=None)
"""The connection that is being served."""

# How long the close frame may wait behind what a client has not read yet.
_CLOSE_SECONDS: Final = 1.0
# RFC 6455, section 5.5: the payload of a control frame is at most 125 bytes, of which the code takes two.
_MAX_REASON_BYTES: Final = 123


class SocketClosing(Exception):  # noqa: N818  The end of a conversation is not always a fault
    """The socket is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class DisconnectedError(Exception):
    """The client has gone, or we have closed the socket."""


class Socket:
    """Messages in and out: never two frames at once, none after the close."""

    __slots__ = ("_closed", "_connection", "_lock", "_receive", "_send", "_senders")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        # Of many operations that wait for a slow client, one at a time may write: its buffer overshoots by one frame, not by all.
        self._lock = asyncio.Lock()
        self._senders = 0
        self._connection = connection_served.get()
        connection_served.set(None)  # Tasks and timers begun from here on keep their context, and must not keep the connection.
        self._closed = False

    async def receive(self) -> SocketMessage:
        """The next message. Raises DisconnectedError, and ProtocolError for what is no message."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self._closed = True
            raise DisconnectedError
        return socket_message(event.get("text"))

    async def send(self, frame: str) -> None:
        """Returns when the transport took the frame. Raises DisconnectedError when there is nobody to take it."""
        async with self._turn():
            if self._closed:
                raise DisconnectedError
            try:
                await self._send({"type": "websocket.send", "text": frame})
            except OSError:  # ASGI's way to say that the client has gone
                self._closed = True
                raise DisconnectedError from None

    def send_now(self, frame: bytes) -> bool:
        """Sends a frame if nothing is under way and the transport can take it at once; says whether it did. Never raises."""
        if self._connection is None or self._closed or self._senders:
            return False
        try:
            return self._connection.write_now(frame)
        except (OSError, RuntimeError):  # The transport has died: whoever awaits `send` is told.
            return False

    def on_pong(self, ask: Callable[[], bool] | None) -> None:
        """Has `ask` say of every bare pong whether it was awaited; one that was is not received, where the connection can do that."""
        if self._connection is not None:
            self._connection.on_pong = ask

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye, unless the client does not read even that: the server cuts the connection when the app has returned."""
        cut = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(_CLOSE_SECONDS), self._turn():
                if not self._closed:
                    await self._send({"type": "websocket.close", "code": code, "reason": cut})
        except (OSError, TimeoutError):
            pass  # Nobody is there to read it, which is what closing wanted.
        self._closed = True

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        self._senders += 1
        try:
            async with self._lock:
                yield
        finally:
            self._senders -= 1


def next_prefix(operation_id: str) -> bytes:
    """What comes before the payload in every `next` frame of an operation."""
    return b'{"id":%s,"type":"next","payload":' % orjson.dumps(operation_id)


def next_frame(prefix: bytes, body: bytes) -> bytes:
    """A result; its body goes in as it was encoded for everybody. Copying it costs less than remembering whose ids are alike."""
    return b"%s%s}" % (prefix, body)


def complete_frame(operation_id: str) -> str:
    """The end of an operation that went well."""
    return f'{{"id":{_json(operation_id)},"type":"complete"}}'


def error_frame(operation_id: str, errors: list[FormattedError]) -> str:
    """The end of an operation that was refused, or that an error ended."""
    return f'{{"id":{_json(operation_id)},"type":"error","payload":{_json(errors)}}}'


def final_error_frame(operation_id: str, body: bytes) -> str:
    """The end of an operation by the errors of its final payload."""
    return error_frame(operation_id, orjson.loads(body)["errors"])


def pong_frame(payload: dict[str, Any] | None) -> str:
    """The answer to a ping, with what it carried."""
    return PONG_FRAME if payload is None else f'{{"type":"pong","payload":{_json(payload)}}}'


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
