"""A websocket as graphql-transport-ws sees it: its close codes, its frames, and a socket that sends one frame at a time."""

import asyncio
from typing import Any, Final

import orjson
from starlette.types import Receive, Send

from gql.bodies import SocketMessage, socket_message
from gql.errors import FormattedError
from gql.wire import Payload

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

    __slots__ = ("_closed", "_lock", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        # Of many operations that wait for a slow client, one at a time may write: its buffer overshoots by one frame, not by all.
        self._lock = asyncio.Lock()
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
        async with self._lock:
            if self._closed:
                raise DisconnectedError
            try:
                await self._send({"type": "websocket.send", "text": frame})
            except OSError:  # ASGI's way to say that the client has gone
                self._closed = True
                raise DisconnectedError from None

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye, unless the client does not read even that: the server cuts the connection when the app has returned."""
        cut = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(_CLOSE_SECONDS), self._lock:
                if not self._closed:
                    await self._send({"type": "websocket.close", "code": code, "reason": cut})
        except (OSError, TimeoutError):
            pass  # Nobody is there to read it, which is what closing wanted.
        self._closed = True


def next_prefix(operation_id: str) -> str:
    """What comes before the payload in every `next` frame of an operation."""
    return f'{{"id":{_json(operation_id)},"type":"next","payload":'


def next_frame(prefix: str, payload: Payload) -> str:
    """A result; the payload's body goes in as it was encoded for everybody."""
    return f"{prefix}{payload.body.decode()}}}"


def complete_frame(operation_id: str) -> str:
    """The end of an operation that went well."""
    return f'{{"id":{_json(operation_id)},"type":"complete"}}'


def error_frame(operation_id: str, errors: list[FormattedError]) -> str:
    """The end of an operation that was refused, or that an error ended."""
    return f'{{"id":{_json(operation_id)},"type":"error","payload":{_json(errors)}}}'


def final_error_frame(operation_id: str, payload: Payload) -> str:
    """The end of an operation by the errors of its final payload."""
    return error_frame(operation_id, orjson.loads(payload.body)["errors"])


def pong_frame(payload: dict[str, Any] | None) -> str:
    """The answer to a ping, with what it carried."""
    return '{"type":"pong"}' if payload is None else f'{{"type":"pong","payload":{_json(payload)}}}'


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
