"""The baseline: a bare Starlette app whose websockets are sent one text, on the same uvicorn with the same options as Tillstream.

`POST /broadcast` answers, and then sends its body to every socket; `POST /follow?first=N` has its body sent to the first N sockets at every
change of a product, by a bare change stream. `python -m bench.raw_server URI DATABASE` listens on a free port, and answers every line of
its input with that port.
"""

import asyncio
import gc
import json
import socket
import sys
from typing import Any

import uvicorn
import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from datastore.settings import Settings
from gql.serving import bind
from gql.websocket import PING_SECONDS, PONG_SECONDS, SUBPROTOCOL, uvicorn_options


class Broadcaster:
    """All sockets, in the order in which they were opened."""

    def __init__(self) -> None:
        self._sockets: dict[WebSocket, None] = {}
        self._followed, self._followers = "", 0

    def app(self) -> Starlette:
        """The application."""
        posts = {"/broadcast": self._broadcast, "/follow": self._take_text}
        return Starlette(routes=[WebSocketRoute("/", self._hold), *(Route(path, does, methods=["POST"]) for path, does in posts.items())])

    async def follow(self, products: AsyncCollection[dict[str, Any]]) -> None:
        """Sends the text that `POST /follow` gave at every change."""
        async with await products.watch(full_document="updateLookup") as stream:
            async for _ in stream:
                await self._send(self._followed, self._followers)

    async def _send(self, text: str, first: int | None = None) -> None:
        for websocket in tuple(self._sockets)[:first]:
            await websocket.send_text(text)

    async def _hold(self, websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=SUBPROTOCOL)
        self._sockets[websocket] = None
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            del self._sockets[websocket]

    async def _broadcast(self, request: Request) -> Response:
        return PlainTextResponse("sent\n", background=BackgroundTask(self._send, (await request.body()).decode()))

    async def _take_text(self, request: Request) -> Response:
        self._followed, self._followers = (await request.body()).decode(), int(request.query_params["first"])
        return PlainTextResponse("noted\n")


async def serve(app: Starlette, listening: socket.socket) -> None:
    """Serves until the process is told to end."""
    # Tillstream keeps its sockets alive by messages of its protocol; who has no such messages has uvicorn's control frames for it.
    options = uvicorn_options(Settings(env="test")) | {"ws_ping_interval": PING_SECONDS, "ws_ping_timeout": PONG_SECONDS}
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1, **options)
    await uvicorn.Server(config).serve(sockets=[listening])


async def answer_with_port(listening: socket.socket) -> None:
    """Answers every line of the input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)


async def main() -> None:
    """The bare server."""
    uri, database = sys.argv[1:]
    gc.collect()
    gc.freeze()  # as Tillstream does
    broadcaster, listening = Broadcaster(), bind("127.0.0.1", 0)
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        tasks = [asyncio.create_task(answer_with_port(listening)), asyncio.create_task(broadcaster.follow(client[database]["products"]))]
        try:
            await serve(broadcaster.app(), listening)
        finally:
            for task in tasks:
                task.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
