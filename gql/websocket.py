"""graphql-transport-ws, to the letter (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), and no other subprotocol.

A socket is one task that reads and one task for each operation under way; its timers are no tasks. What a slow client has not read holds up
its own socket alone and costs one frame of memory beyond the transport's buffer (`gql.sockets`, `gql.socket_protocol`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from datastore.errors import RateLimitedError, TillstreamError, UnavailableError
from datastore.settings import Settings
from gql.addresses import address_of
from gql.bodies import ProtocolError, SocketMessage
from gql.errors import describe_fault
from gql.request_headers import new_request_id
from gql.socket_operations import SocketOperations
from gql.sockets import (
    ACK_FRAME,
    BAD_REQUEST,
    FORBIDDEN,
    INITIALISATION_TIMEOUT,
    INTERNAL_ERROR,
    PING_FRAME,
    SUBPROTOCOL_NOT_ACCEPTABLE,
    TERMINATED,
    TOO_MANY_INITIALISATIONS,
    TRY_AGAIN_LATER,
    UNAUTHORIZED,
    DisconnectedError,
    Socket,
    SocketClosing,
    pong_frame,
)
from gql.streaming import KEEP_ALIVE_SECONDS
from gql.wire import OperationT, Service

SUBPROTOCOL: Final = "graphql-transport-ws"
PING_SECONDS: Final = KEEP_ALIVE_SECONDS
PONG_SECONDS: Final = 15.0
_PING: Final = PING_FRAME.encode()


def websocket_routes(
    service: Service[OperationT],
    settings: Settings,
    path: str = "/graphql",
    *,
    ping_seconds: float = PING_SECONDS,
    pong_seconds: float = PONG_SECONDS,
) -> list[BaseRoute]:
    """What answers websockets. A client that does not answer a ping within `pong_seconds` is cut off with 4499."""
    return [WebSocketRoute(path, _Endpoint(service, settings, _Heartbeat(ping_seconds, pong_seconds)), name="graphql-ws")]


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What `uvicorn.Config` must be told for the transports to keep their promises."""
    return {
        "http": "gql.http_protocol:HTTPProtocol",
        "ws": "gql.socket_protocol:WebSocketProtocol",
        "ws_max_size": settings.max_body_bytes,
        # Compression costs every socket tens of kilobytes and hides slow readers behind its own buffers.
        "ws_per_message_deflate": False,
        # We ping with messages of the protocol: they pass proxies that answer control frames themselves.
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "server_header": False,
        # X-Forwarded-For and -Proto are what a stranger writes, unless they come from a proxy of ours.
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
    }


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    ping_seconds: float
    pong_seconds: float


class _Endpoint(Generic[OperationT]):
    def __init__(self, service: Service[OperationT], settings: Settings, heartbeat: _Heartbeat) -> None:
        self._service = service
        self._settings = settings
        self._heartbeat = heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        await receive()  # websocket.connect
        if not _is_allowed_origin(headers, self._settings.allowed_origins):
            await send({"type": "websocket.close"})  # before it is accepted: HTTP 403
            return
        socket = Socket(receive, send)
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await socket.close(SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await _Conversation(socket, self._service, self._settings, self._heartbeat, headers, address_of(scope)).hold()


class _Conversation(Generic[OperationT]):
    """One socket from its acceptance to its end."""

    __slots__ = ("_deadline", "_handshake", "_heartbeat", "_init_seconds", "_operations", "_ping", "_service", "_socket", "_timer")

    def __init__(
        self, socket: Socket, service: Service[OperationT], settings: Settings, heartbeat: _Heartbeat, handshake: Headers, address: str
    ) -> None:
        self._socket = socket
        self._service = service
        self._init_seconds = settings.connection_init_seconds
        self._heartbeat = heartbeat
        self._handshake = handshake
        self._operations = SocketOperations(socket, service, settings.max_operations_per_socket, handshake.get("user-agent"), address)
        self._deadline = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._ping: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        """Talks until one side ends it; returns when every operation has come to rest."""
        closing: SocketClosing | None = None
        try:
            await self._converse(await self._initialise())
        except SocketClosing as ended:
            closing = ended
        except ProtocolError as error:
            closing = SocketClosing(BAD_REQUEST, str(error))
        except DisconnectedError:
            pass  # Nobody is left to be told.
        except Exception as error:  # noqa: BLE001  Logged, with its traceback, by describe_fault: the last line of defence
            request_id = new_request_id()
            describe_fault(error, request_id)
            closing = SocketClosing(INTERNAL_ERROR, f"Internal error, request {request_id}")
        finally:
            self._stop()
            if closing is not None:
                await self._socket.close(closing.code, closing.reason)
            await self._rest()

    async def _initialise(self) -> Any | None:
        """Waits for the client's introduction and acknowledges it; returns its principal."""
        try:
            async with asyncio.timeout(self._init_seconds):
                introduction = await self._introduction()
        except TimeoutError:
            raise SocketClosing(INITIALISATION_TIMEOUT, "Connection initialisation timeout") from None
        principal = await self._authenticate(introduction.payload or {})
        await self._socket.send(ACK_FRAME)
        return principal

    async def _introduction(self) -> SocketMessage:
        while True:
            message = await self._socket.receive()
            match message.type:
                case "connection_init":
                    return message
                case "subscribe":
                    raise SocketClosing(UNAUTHORIZED, "Unauthorized")
                case "ping":
                    await self._socket.send(pong_frame(message.payload))

    async def _authenticate(self, payload: Mapping[str, Any]) -> Any | None:
        """Whose connection it is: by the connection payload, else by the handshake's header, which browsers cannot set."""
        authorization = payload.get("authorization", payload.get("Authorization", self._handshake.get("authorization")))
        if authorization is not None and not isinstance(authorization, str):
            raise ProtocolError("The payload's authorization must be a string")
        try:
            return await self._service.authenticate(authorization)
        except (UnavailableError, RateLimitedError) as error:
            raise SocketClosing(TRY_AGAIN_LATER, error.message) from None
        except TillstreamError as error:
            raise SocketClosing(FORBIDDEN, f"Forbidden: {error.message}") from None

    async def _converse(self, principal: Any | None) -> None:
        self._schedule_ping()
        try:
            async with self._deadline:
                self._socket.on_pong(self._awaited)
                while True:
                    message = await self._socket.receive()
                    self._awaited()
                    await self._handle(message, principal)
                    # Messages that came together are received without a pause: others must have their turn.
                    await asyncio.sleep(0)
        except TimeoutError:
            raise SocketClosing(TERMINATED, "Terminated: no answer to a ping") from None

    async def _handle(self, message: SocketMessage, principal: Any | None) -> None:
        match message.type:
            case "subscribe":
                await self._operations.start(message, principal)
            case "complete":
                self._operations.complete(message.id)
            case "ping":
                await self._socket.send(pong_frame(message.payload))
            case "connection_init":
                raise SocketClosing(TOO_MANY_INITIALISATIONS, "Too many initialisation requests")

    def _awaited(self) -> bool:
        """Whether a sign of life was awaited; any message is one. It is too late when the deadline has struck."""
        if self._deadline.when() is None or self._deadline.expired():
            return False
        self._deadline.reschedule(None)
        return True

    def _schedule_ping(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._heartbeat.ping_seconds, self._beat)

    def _beat(self) -> None:
        """Pings, and sets the time by which the client must have answered. It stays set while a ping cannot even be sent."""
        if self._deadline.when() is None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._heartbeat.pong_seconds)
        if not self._socket.send_now(_PING) and (self._ping is None or self._ping.done()):
            self._ping = asyncio.create_task(self._send_ping())
        self._schedule_ping()

    async def _send_ping(self) -> None:
        with suppress(DisconnectedError):
            await self._socket.send(PING_FRAME)

    def _stop(self) -> None:
        self._socket.on_pong(None)
        if self._timer is not None:
            self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()
        self._operations.stop()

    async def _rest(self) -> None:
        await self._operations.rest()
        if self._ping is not None:
            await asyncio.wait({self._ping})


def _is_allowed_origin(headers: Headers, allowed: tuple[str, ...]) -> bool:
    """Only browsers send an Origin; theirs must be ours or one of the list (cross-site websocket hijacking)."""
    origin = headers.get("origin")
    if origin is None or origin.lower() in allowed:
        return True
    _, _, authority = origin.lower().partition("://")
    return bool(authority) and authority == headers.get("host", "").lower()
