"""From a write's acknowledgement to the subscriber: idle, and while 500 rows of others are written each second.

The baseline is a bare change stream in the benchmark's own process, on the same database, at the same time, narrowed to the owner's rows. A
figure below zero means that the event was there before the acknowledgement.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from bench.crowd import Crowd, crowd, watchers
from bench.fan_out import PRODUCTS, WATCH
from bench.processes import program
from bench.shelves import Owner, Shelves, owners, shelves
from bench.stack import Stack
from bench.table import print_table

CHANGES = 300
WARM_UP = 20
UNRELATED_A_SECOND = 500
PAUSE_SECONDS = 0.01


@dataclass
class Delays:
    """Seconds from the acknowledgement of each write."""

    bare: list[float] = field(default_factory=list)
    live: list[float] = field(default_factory=list)


async def measure(stack: Stack) -> tuple[Delays, Delays, float]:
    """Idle, under load, and how many unrelated writes a second there really were."""
    uri, database = stack.database
    async with httpx.AsyncClient() as http, shelves(stack) as on, crowd() as watching, program("bench.load_process", uri, database) as load:
        owner, other = await owners(http, stack, on, [PRODUCTS, 500])
        await watching.open(stack.socket_url, [watchers(1, owner.person.token, WATCH)])
        idle = await _delays(stack, on, watching, owner)
        await load.ask("start", account_id=other.account_id, rate=UNRELATED_A_SECOND)
        loaded = await _delays(stack, on, watching, owner)
        rate = (await load.ask("stop"))["rate"]
    return idle, loaded, rate


async def _delays(stack: Stack, on: Shelves, watching: Crowd, owner: Owner) -> Delays:
    uri, database = stack.database
    delays = Delays()
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        pipeline = [{"$match": {"fullDocument.account_id": owner.account_id}}]
        async with await client[database]["products"].watch(pipeline, full_document="updateLookup") as stream:
            for number in range(CHANGES + WARM_UP):
                await watching.reset()
                event, served = asyncio.create_task(_stamp(stream)), asyncio.create_task(watching.messages(1))
                await asyncio.sleep(PAUSE_SECONDS)
                await on.restock(owner.product_ids[number % PRODUCTS], number + 1)
                acknowledged = time.perf_counter()
                if number >= WARM_UP:
                    delays.bare.append(await event - acknowledged)
                    delays.live.append((await served).last - acknowledged)
                else:
                    await asyncio.gather(event, served)
    return delays


async def _stamp(stream: Any) -> float:
    await stream.next()
    return time.perf_counter()


async def run(stack: Stack) -> None:
    """Measures and prints."""
    idle, loaded, rate = await measure(stack)
    rows = [
        _row("idle: bare change-stream event", idle.bare),
        _row("idle: live result", idle.live),
        _row(f"{rate:.0f} unrelated writes/s: bare change-stream event", loaded.bare),
        _row(f"{rate:.0f} unrelated writes/s: live result", loaded.live),
    ]
    print_table(f"From a commit to the subscriber (milliseconds, {CHANGES} changes)", ["", "p50", "p99"], rows)


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(seconds, n=100)
    return [name, f"{cuts[49] * 1000:.1f}", f"{cuts[98] * 1000:.1f}"]
