"""A replica set of three real nodes that can be killed, frozen, and cut off from each other and from their clients.

Elections are quick: a node that hears nothing of its primary for `ELECTION_SECONDS` stands for election.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from datastore.embedded import MONGOD
from datastore.loopback import LOOPBACK, listens
from datastore.processes import Child, Recipe, running
from tests.network import CLIENTS, Network, network

ELECTION_SECONDS = 1.5
LIMIT_SECONDS = 40
NAMES = ("a", "b", "c")
SET = "faults"

_PRIMARY, _SECONDARY = 1, 2
_POLL_SECONDS = 0.05


class Node:
    """One mongod, with data that outlive it. `options` are more of its own."""

    def __init__(self, name: str, directory: Path, set_name: str, *options: str, oplog_mb: int = 64) -> None:
        self.name = name
        self._directory = directory
        self._arguments = partial(_arguments, set_name, options, oplog_mb)
        self._life = AsyncExitStack()
        self._child: Child | None = None
        self._frozen = False

    @property
    def port(self) -> int:
        """Its own, behind the proxy; the same ever after the first start."""
        assert self._child is not None, "it never ran"
        return self._child.ports[0]

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.process.pid if self._child is not None and self._child.process.poll() is None else None

    async def start(self) -> None:
        """Starts it, again where it was stopped; returns when it listens."""
        port = None if self._child is None else self.port
        recipe = Recipe(MONGOD, self._directory, 1, self._arguments, _listens, wanted_port=port, stop_seconds=0)
        self._child = await self._life.enter_async_context(running(recipe))

    async def kill(self) -> None:
        """Ends it as a power cut does; returns when it has gone."""
        assert self._child is not None
        self._child.process.kill()
        self._frozen = False
        await self._life.aclose()

    def freeze(self) -> None:
        """Lets it stand still: its connections stay open, and nothing is answered."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Lets it go on, if it stands still."""
        if self._frozen and self.pid is not None:
            os.kill(self.pid, signal.SIGCONT)
        self._frozen = False

    async def admin(self, command: Mapping[str, Any], *, patience: float = 2.0) -> dict[str, Any]:
        """The reply of this very node to a command on `admin`, past the proxy."""
        async with self.driver(patience) as client:
            return await client.admin.command(dict(command))

    def driver(self, patience: float = 2.0) -> AsyncMongoClient[dict[str, Any]]:
        """A client of this node alone, past the proxy."""
        milliseconds = int(patience * 1000)
        return AsyncMongoClient(
            f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            retryWrites=False,
        )


class ReplicaSet:
    """Three nodes and the network between them."""

    def __init__(self, nodes: tuple[Node, ...], roads: Network) -> None:
        self.nodes = nodes
        self.network = roads
        self._ports: dict[str, int] = {}

    @property
    def uri(self) -> str:
        """What clients connect to: the proxies."""
        return f"mongodb://{','.join(f'{LOOPBACK}:{port}' for port in self._ports.values())}/?replicaSet={SET}"

    async def start(self) -> None:
        """Starts the nodes and makes a set of them; the first is likely to be its primary."""
        for node in self.nodes:
            await node.start()
            self._ports[node.name] = self.network.listen(node.name, LOOPBACK, node.port)
        members = [{"_id": number, "host": f"{LOOPBACK}:{port}"} for number, port in enumerate(self._ports.values())]
        timing = {"electionTimeoutMillis": int(ELECTION_SECONDS * 1000), "heartbeatIntervalMillis": 200, "heartbeatTimeoutSecs": 2}
        await self.nodes[0].admin({"replSetInitiate": {"_id": SET, "members": members, "settings": timing}}, patience=20)
        await self.healthy()

    async def stop(self) -> None:
        """Ends every node, however it fares."""
        for node in self.nodes:
            if node.pid is not None:
                await node.kill()

    async def heal(self) -> None:
        """Undoes every fault; returns when all nodes are as they should be."""
        self.network.restore()
        for node in self.nodes:
            node.thaw()
            if node.pid is None:
                await node.kill()
                await node.start()
        await self.healthy()

    async def primary(self) -> Node:
        """The node that leads, which may still need to be elected. Of two that think so, the one elected last."""
        return await self.elected_besides(None)

    async def elected_besides(self, deposed: Node | None) -> Node:
        """The leader, as soon as it is another than `deposed`."""
        found: list[tuple[int, Node]] = []

        async def elected() -> bool:
            states = [(await _state(node), node) for node in self.nodes if node is not deposed]
            found[:] = [(state["term"], node) for state, node in states if state.get("isWritablePrimary")]
            return bool(found)

        await until(elected)
        return max(found, key=lambda each: each[0])[1]

    async def healthy(self) -> None:
        """Waits until one node leads, the others follow, and all three confirm a write."""

        async def agreed() -> bool:
            states = [(await _state(node)).get("myState") for node in self.nodes]
            if sorted(state or 0 for state in states) != [_PRIMARY, _SECONDARY, _SECONDARY]:
                return False
            leader = self.nodes[states.index(_PRIMARY)]
            note = {"appendOplogNote": 1, "data": {"msg": "healthy"}, "writeConcern": {"w": 3, "wtimeout": 1000}}
            with suppress(PyMongoError):
                return "writeConcernError" not in await leader.admin(note)
            return False

        await until(agreed)

    async def step_down(self) -> None:
        """Makes the leader give up its office; the others hold an election at once."""
        leader = await self.primary()
        await leader.admin({"replSetStepDown": 3, "secondaryCatchUpPeriodSecs": 2}, patience=5)
        await self.elected_besides(leader)

    def part(self, node: Node, close_road: Callable[[str, str], None], *, from_clients: bool) -> None:
        """Parts a node from the others, and from clients or not; `close_road` is a method of the network."""
        for other in self.nodes:
            if other is not node:
                close_road(other.name, node.name)
                close_road(node.name, other.name)
        if from_clients:
            close_road(CLIENTS, node.name)


@asynccontextmanager
async def three_nodes(directory: Path) -> AsyncIterator[ReplicaSet]:
    """A set of three nodes, which ends with the context."""
    nodes = tuple(Node(name, directory / name, SET) for name in NAMES)
    with network(lambda: {node.name: node.pid for node in nodes if node.pid is not None}) as roads:
        replica_set = ReplicaSet(nodes, roads)
        try:
            await replica_set.start()
            yield replica_set
        finally:
            await replica_set.stop()


async def until(condition: Callable[[], Any], seconds: float = LIMIT_SECONDS) -> None:
    """Waits for a condition (an async function) of other processes, of which no event tells us."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(_POLL_SECONDS)


async def _state(node: Node) -> dict[str, Any]:
    """What a node thinks of the set; nothing where it does not answer."""
    if node.pid is None:
        return {}
    try:
        async with node.driver(0.5) as client:
            return {**await client.admin.command("hello"), **await client.admin.command("replSetGetStatus")}
    except PyMongoError:
        return {}


def _arguments(set_name: str, options: Sequence[str], oplog_mb: int, ports: Sequence[int]) -> list[str]:
    listening = ["--replSet", set_name, "--bind_ip", LOOPBACK, "--port", str(ports[0]), "--dbpath", "data", "--nounixsocket"]
    small = ["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", str(oplog_mb), "--setParameter", "diagnosticDataCollectionEnabled=false"]
    return [*listening, *small, *options]


async def _listens(child: Child) -> bool:
    return await listens(child.ports[0])
