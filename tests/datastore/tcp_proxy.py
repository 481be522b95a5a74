"""A TCP proxy that a test can cut or let fall silent, to stand between a client and a real server.

It runs on a thread of its own: what a driver does without leaving the test's event loop must reach its server, too.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LIMIT_SECONDS = 5


class TcpProxy:
    """Forwards every connection to `host:port`, until told otherwise."""

    def __init__(self, host: str, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._target = host, port
        self._loop = loop
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._connections: set[asyncio.Task[None]] = set()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def silence(self) -> None:
        """From now on nothing passes, and nobody is told: what a pulled cable looks like."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def resume(self) -> None:
        """Everything passes again, what was held up included."""
        self._loop.call_soon_threadsafe(self._passing.set)

    def cut(self, *, refuse: bool = False) -> None:
        """Close every connection; new ones, too, as long as `refuse` was said last."""
        self._refusing = refuse
        self._run(self._cut())

    def close(self) -> None:
        """Stop listening, and close every connection, those included that come just now."""
        self._refusing = True
        self._run(self._close())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_SECONDS)

    async def _cut(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.wait(others)
        # The transports report their end in the loop's next turn.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # To be cancelled is how a connection is cut: nothing to report.
        with suppress(OSError, asyncio.CancelledError):
            try:
                if not self._refusing:
                    await self._relay(reader, writer)
            finally:
                writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ways = {asyncio.ensure_future(self._copy(reader, there_writer)), asyncio.ensure_future(self._copy(there_reader, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First what must happen even if this is cancelled again.
            there_writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._passing.wait()
            sink.write(data)
            await sink.drain()


@contextmanager
def tcp_proxy(host: str, port: int) -> Iterator[TcpProxy]:
    """A proxy on a free port of the loopback."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tcp-proxy")
    thread.start()
    try:
        proxy = TcpProxy(host, port, loop)
        try:
            yield proxy
        finally:
            proxy.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
