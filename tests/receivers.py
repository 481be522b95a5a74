"""A real HTTP server for tests that takes webhooks: it answers as a test says, hangs, redirects, and keeps what came."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

LIMIT_SECONDS = 10


@dataclass(frozen=True)
class Received:
    """A request that came as a whole."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The body as JSON."""
        message: dict[str, Any] = orjson.loads(self.body)
        return message

    @property
    def about(self) -> tuple[str, str]:
        """The type of the event, and the row."""
        return self.message["type"], self.message["data"].get("id", "")


@dataclass
class Receiver:
    """What the server does, and what came."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], bytes | None] = lambda _: status(200)
    """The whole answer; None: none, the request hangs."""
    held: Callable[[Received], bool | asyncio.Event] = lambda _: False
    """Which requests are answered only after `release`, or after what is returned is set."""
    most_at_once: int = 0
    _at_once: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition holds of what came."""
        async with asyncio.timeout(LIMIT_SECONDS), self._arrived:
            await self._arrived.wait_for(condition)

    async def count(self, number: int) -> list[Received]:
        """Waits until so many requests have come; those."""
        await self.until(lambda: len(self.received) >= number)
        return self.received

    async def take(self, request: Received) -> bytes | None:
        """Keeps a request; the answer to it."""
        async with self._arrived:
            self.received.append(request)
            self._arrived.notify_all()
        if held := self.held(request):
            await (self._released if held is True else held).wait()
        return self.answer(request)

    def release(self) -> None:
        """Lets what is held be answered."""
        self._released.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        try:
            while (request := await _read(reader)) is not None:
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                try:
                    answer = await self.take(request)
                    if answer is None:
                        await reader.read(1)  # until the caller gives up
                        return
                finally:
                    self._at_once -= 1
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


def status(code: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer."""
    lines = [f"HTTP/1.1 {code} Because", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver, listening on a free port of 127.0.0.1."""
    receiver = Receiver()
    connections: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()
