"""Tillstream on a port of its own, which can be stopped and started again there, and whose keep-alives come fast."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gql.app import open_service
from gql.http import graphql_routes
from gql.service import GraphQLService
from gql.serving import bind
from gql.socket_protocol import WebSocketProtocol
from gql.websocket import uvicorn_options, websocket_routes
from resolvers.services import Services

LIMIT_SECONDS = 10
KEEP_ALIVE_SECONDS = 0.1


class Sent:
    """Counts what the server sends over what stays open: websockets, and responses in parts."""

    def __init__(self) -> None:
        self.streams = 0
        self.messages = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        """The same app, counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                self.streams += message["type"] == "websocket.accept" or _is_stream(message)
                self.messages += message["type"] == "websocket.send" or bool(message.get("body") and message.get("more_body"))
                await send(message)

            await app(scope, receive, note)

        return counted

    def protocol(self) -> type[WebSocketProtocol]:
        """The websocket protocol, which writes keep-alives and results without ASGI, counted likewise."""
        sent = self

        class Counted(WebSocketProtocol):
            def write_now(self, text: bytes) -> bool:
                written = super().write_now(text)
                sent.messages += written
                return written

        return Counted


class Served:
    """One process of the server, with its own live engine, as it starts, stops and starts again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._service: GraphQLService | None = None
        self._stack = AsyncExitStack()
        self._port = 0
        self._sent = Sent()

    @property
    def url(self) -> str:
        """Where it answers, before and after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def streams(self) -> int:
        """How many sockets and responses in parts there have been."""
        return self._sent.streams

    @property
    def distinct_operations(self) -> int:
        """How many operations are live."""
        assert self._service is not None
        assert self._service.engine is not None
        return self._service.engine.distinct_operations

    async def start(self) -> Self:
        """Serves; at the second start on the port of the first."""
        self._service = await self._stack.enter_async_context(open_service(self._services))
        settings = self._services.settings
        routes: list[BaseRoute] = [
            *graphql_routes(self._service, settings, keep_alive_seconds=KEEP_ALIVE_SECONDS),
            *websocket_routes(self._service, settings, ping_seconds=KEEP_ALIVE_SECONDS, pong_seconds=LIMIT_SECONDS),
        ]
        app = self._sent.around(Starlette(routes=routes))
        options = uvicorn_options(settings) | {"ws": self._sent.protocol()}
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, **options)
        server = uvicorn.Server(config)
        listening = self._stack.enter_context(bind("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await self.until(lambda: server.started)
        self._stack.push_async_callback(asyncio.wait_for, serving, LIMIT_SECONDS)
        self._stack.callback(setattr, server, "should_exit", True)
        return self

    async def stop(self) -> None:
        """Ends the server: its sockets are closed, and connecting to it is refused."""
        await self._stack.aclose()

    async def keep_alives(self, number: int) -> None:
        """Waits until so many more messages were sent, where nothing but keep-alives is to be sent."""
        wanted = self._sent.messages + number
        await self.until(lambda: self._sent.messages >= wanted)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                await asyncio.sleep(0.01)


def _is_stream(message: Message) -> bool:
    types = dict(message.get("headers", ())).get(b"content-type", b"") if message["type"] == "http.response.start" else b""
    return types.startswith((b"text/event-stream", b"multipart/mixed"))
