"""The network between real servers and whoever calls them: a TCP proxy in front of each server, with roads that can be closed.

`tcp_proxy` stands before one server, `network` between the nodes of a replica set and their clients. A set has one address for each node,
which clients and the other nodes use alike, so a proxy must find out who calls: the kernel says which process holds the other end of a
connection (proc(5): `/proc/net/tcp` has the socket's inode, `/proc/PID/fd` who holds it). That needs no rights beyond those over one's own
processes. The proxies run on a thread of their own, so that a busy test delays no heartbeat, and what a driver does without leaving the
test's event loop reaches its server.
"""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

LIMIT_SECONDS = 5
CLIENTS: Final = "clients"
"""Whoever calls and is no node of the set."""

_SERVER = "server"
_LOCAL_ADDRESS, _REMOTE_ADDRESS, _INODE = 1, 2, 9
_CHUNK = 1 << 16


class Road:
    """All connections from one party to one node."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.refused = False
        self.quick = asyncio.Event()
        self.quick.set()
        self.passing = asyncio.Event()
        self.passing.set()
        self.connections: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """As it was in the beginning; what was held up goes on."""
        self.refused = False
        self.quick.set()
        self.passing.set()

    def slow(self, seconds: float) -> None:
        """Everything takes so much longer."""
        self.delay_seconds = seconds
        self.quick.clear()

    def cut(self, *, refuse: bool) -> None:
        """Closes every connection; new ones, too, as long as `refuse` was said last."""
        self.refused = refuse
        for connection in self.connections:
            connection.cancel()

    async def carry(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        """Passes bytes on, when the road lets them."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.quick.wait(), self.delay_seconds)
        await self.passing.wait()
        sink.write(data)
        await sink.drain()


class Network:
    """The proxies of one set. Every method may be called from any thread.

    `processes` gives the process id of each node, by name, as it is just now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, processes: Callable[[], Mapping[str, int]]) -> None:
        self._loop = loop
        self._processes = processes
        self._roads: defaultdict[tuple[str, str], Road] = defaultdict(Road)
        self._servers: list[asyncio.Server] = []
        self._accepted: dict[asyncio.Future[None], asyncio.StreamWriter] = {}

    def listen(self, node: str, host: str, port: int) -> int:
        """Puts a proxy in front of the node at `host:port`; the port that the others are to use."""
        return int(self._run(self._listen(node, host, port)))

    def refuse(self, source: str, target: str) -> None:
        """From now on `source` can't connect to `target`, and what was connected is cut: both are told."""
        self._tell(partial(self._roads[source, target].cut, refuse=True))

    def cut(self, source: str, target: str) -> None:
        """Cuts what is connected; who connects again may."""
        self._tell(partial(self._roads[source, target].cut, refuse=False))

    def silence(self, source: str, target: str) -> None:
        """From now on nothing passes between `source` and `target`, and nobody is told: what a pulled cable looks like."""
        self._tell(self._roads[source, target].passing.clear)

    def slow(self, source: str, target: str, seconds: float) -> None:
        """From now on whatever `source` and `target` say to each other takes that much longer."""
        self._tell(lambda: self._roads[source, target].slow(seconds))

    def restore(self) -> None:
        """Opens every road."""
        for road in tuple(self._roads.values()):
            self._tell(road.open)

    def close(self) -> None:
        """Stops listening, and closes every connection."""
        self._run(self._close())

    def _tell(self, change: Callable[[], object]) -> None:
        async def make() -> None:
            change()

        self._run(make())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_SECONDS)

    async def _listen(self, node: str, host: str, port: int) -> int:
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Noted before any task runs for it: one that is cancelled before its first step closes nothing.
            serving = asyncio.ensure_future(self._serve(node, (host, port), reader, writer))
            self._accepted[serving] = writer
            serving.add_done_callback(lambda done: self._accepted.pop(done).transport.abort())

        server = await asyncio.start_server(serve, host, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        # Those included that come just now: they are tasks of the event loop before they are connections.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for connection in list(self._accepted):
                connection.cancel()
            await asyncio.wait(others)
        # The transports report their end in the loop's next turn.
        await asyncio.sleep(0)

    async def _serve(self, node: str, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        road = self._roads[self._caller(writer), node]
        road.connections.add(task)
        task.add_done_callback(road.connections.discard)
        # To be cancelled is how a connection is cut: nothing to report.
        with suppress(OSError, asyncio.CancelledError):
            try:
                if not road.refused:
                    await _relay(road, target, reader, writer)
            finally:
                writer.transport.abort()

    def _caller(self, writer: asyncio.StreamWriter) -> str:
        processes = self._processes()
        if not processes:
            return CLIENTS
        port, our_port = writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1]
        inode = _inode(port, our_port)
        return next((name for name, pid in processes.items() if _holds(pid, inode)), CLIENTS)


class TcpProxy:
    """A proxy in front of one server, for whoever calls it."""

    def __init__(self, roads: Network, host: str, port: int) -> None:
        self._network = roads
        self.port = roads.listen(_SERVER, host, port)

    def silence(self) -> None:
        """From now on nothing passes, and nobody is told: what a pulled cable looks like."""
        self._network.silence(CLIENTS, _SERVER)

    def resume(self) -> None:
        """Everything passes again, what was held up included."""
        self._network.restore()

    def cut(self, *, refuse: bool = False) -> None:
        """Closes every connection; new ones, too, as long as `refuse` was said last."""
        (self._network.refuse if refuse else self._network.cut)(CLIENTS, _SERVER)


async def _relay(road: Road, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there_reader, there_writer = await asyncio.open_connection(*target)
    ways = {asyncio.ensure_future(_copy(road, reader, there_writer)), asyncio.ensure_future(_copy(road, there_reader, writer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # First what must happen even if this is cancelled again.
        there_writer.transport.abort()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _copy(road: Road, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        await road.carry(data, sink)


def _inode(port: int, peer_port: int) -> str:
    """The inode of the socket on `port` that is connected to `peer_port`, both on loopback; empty where it is gone again."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        if columns[_LOCAL_ADDRESS].endswith(f":{port:04X}") and columns[_REMOTE_ADDRESS].endswith(f":{peer_port:04X}"):
            return columns[_INODE]
    return ""


def _holds(pid: int, inode: str) -> bool:
    """Whether a process holds the socket. A descriptor may be closed, and the process end, while we look."""
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        return any(_shows(Path(descriptor.path), f"socket:[{inode}]") for descriptor in descriptors)
    return False


def _shows(descriptor: Path, what: str) -> bool:
    with suppress(OSError):
        return descriptor.readlink().name == what
    return False


@contextmanager
def network(processes: Callable[[], Mapping[str, int]]) -> Iterator[Network]:
    """A network on the loopback, still without nodes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network")
    thread.start()
    made = Network(loop, processes)
    try:
        yield made
    finally:
        try:
            made.close()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


@contextmanager
def tcp_proxy(host: str, port: int) -> Iterator[TcpProxy]:
    """A proxy on a free port of the loopback."""
    with network(dict) as roads:
        yield TcpProxy(roads, host, port)
