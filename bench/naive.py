"""Beside the naive way: one change stream for each subscriber (`bench.naive_server`), at 100 and at 1,000 subscribers of one list.

Latency is from the acknowledgement of a write to the last subscriber served.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from bench.crowd import Crowd, Group, crowd, watchers
from bench.fan_out import PRODUCTS, WATCH
from bench.processes import cpu_seconds
from bench.server import naive_server
from bench.shelves import Owner, Shelves, owners, shelves
from bench.stack import Stack
from bench.table import print_table

COUNTS = {100: 10, 1_000: 4}
"""Subscribers, and how many changes are timed with so many."""
IDLE_SECONDS = 3.0
NAIVE = "subscription {{ products(accountId: {account_id}) {{ id name price stock }} }}"


@dataclass
class Contender:
    """A server, and how its subscribers are opened."""

    name: str
    appname: str
    """What its driver calls itself to MongoDB."""
    pid: int
    url: str
    group: Group


@dataclass
class Figures:
    """What was measured of one contender: seconds, shares of a core, connections."""

    latency: float
    server_cpu: float
    mongod_cpu: float
    idle_server: float
    idle_mongod: float
    connections: int

    def row(self, name: str) -> list[str]:
        """For the table."""
        milliseconds = (self.latency, self.server_cpu, self.mongod_cpu)
        shares = (self.idle_server, self.idle_mongod)
        return [name, *(f"{value * 1000:,.0f}" for value in milliseconds), *(f"{share:.1%}" for share in shares), f"{self.connections:,}"]


async def _measure(contender: Contender, mongod: AsyncMongoClient[dict[str, Any]], on: Shelves, owner: Owner, changes: int) -> Figures:
    pids = (contender.pid, int((await mongod.admin.command("serverStatus"))["pid"]))
    async with crowd() as sockets:
        await sockets.open(contender.url, [contender.group])
        connections = await _connections(mongod, contender.appname)
        cpu = [cpu_seconds(pid) for pid in pids]
        await asyncio.sleep(IDLE_SECONDS)
        idle = [(cpu_seconds(pid) - before) / IDLE_SECONDS for pid, before in zip(pids, cpu, strict=True)]
        await _served(sockets, on, owner, contender.group.count, 0)
        cpu = [cpu_seconds(pid) for pid in pids]
        latencies = [await _served(sockets, on, owner, contender.group.count, number + 1) for number in range(changes)]
        used = [(cpu_seconds(pid) - before) / changes for pid, before in zip(pids, cpu, strict=True)]
    return Figures(statistics.median(latencies), used[0], used[1], idle[0], idle[1], connections)


async def _connections(mongod: AsyncMongoClient[dict[str, Any]], appname: str) -> int:
    """How many connections of a program the server holds, busy or idle."""
    stages: list[dict[str, Any]] = [{"$currentOp": {"idleConnections": True}}, {"$match": {"appName": appname}}, {"$count": "connections"}]
    async with await mongod.admin.aggregate(stages) as found:
        return sum([row["connections"] async for row in found])


async def _served(sockets: Crowd, on: Shelves, owner: Owner, count: int, number: int) -> float:
    """Changes a product; seconds until all have been sent the list with the change."""
    await sockets.reset()
    await on.rename(owner.product_ids[0], f"product 000000 of {count} v{number} at {time.time_ns()}")
    acknowledged = time.perf_counter()
    return (await sockets.messages(count)).last - acknowledged


async def run(stack: Stack) -> None:
    """Measures and prints."""
    rows = []
    async with httpx.AsyncClient() as http, shelves(stack) as on, AsyncMongoClient[dict[str, Any]](stack.database[0]) as mongod:
        [owner] = await owners(http, stack, on, [PRODUCTS])
        for count, changes in COUNTS.items():
            live = Contender("Tillstream", "tillstream", stack.pid, stack.socket_url, watchers(count, owner.person.token, WATCH))
            rows.append((await _measure(live, mongod, on, owner, changes)).row(f"{count:,} subscribers, {live.name}"))
            async with naive_server(stack) as server:
                group = watchers(count, None, NAIVE.format(account_id=f'"{owner.account_id}"'))
                naive = Contender("one stream each", "naive", server.pid, f"ws://{server.address}/", group)
                rows.append((await _measure(naive, mongod, on, owner, changes)).row(f"{count:,} subscribers, {naive.name}"))
    columns = ["", "last served (ms)", "server CPU (ms)", "mongod CPU (ms)", "idle server", "idle mongod", "connections"]
    print_table("Beside one change stream for each subscriber, for one change and while nothing happens", columns, rows)
