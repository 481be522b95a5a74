"""One change, 1,000 watchers of one operation: when is the last one served? Beside a bare broadcast of the same bytes.

Both servers run at once, each with a crowd of its own, and take turns, so that what else the machine does befalls both.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from bench.crowd import Crowd, crowd, watchers
from bench.crowd import Group as Sockets
from bench.processes import cpu_seconds
from bench.server import raw_server
from bench.shelves import owners, shelves
from bench.stack import Stack, engine_figures
from bench.table import print_table

SUBSCRIBERS = 1_000
ROUNDS = 40
WARM_UP = 5
PRODUCTS = 20
WATCH = "subscription { live { products(first: 20) { nodes { id name price stock } } } }"
RENAME = "mutation ($id: ID!, $name: String!) { updateProduct(input: {id: $id, name: $name}) { id } }"


@dataclass
class Rounds:
    """What each round took, in seconds, and what the server's process used of a core in it."""

    after_answer: list[float] = field(default_factory=list)
    after_sending: list[float] = field(default_factory=list)
    first_to_last: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """The medians, in milliseconds."""
        columns = (self.after_sending, self.after_answer, self.first_to_last)
        return [name, *(f"{statistics.median(seconds) * 1000:.1f}" for seconds in columns), f"{statistics.fmean(self.cpu) * 1000:.1f}"]


async def measure(stack: Stack) -> tuple[Rounds, Rounds, float]:
    """The rounds of Tillstream and of the bare broadcast, and how many runs the engine made for each change."""
    live, bare = Rounds(), Rounds()
    async with httpx.AsyncClient() as http, shelves(stack) as on, crowd() as watching, crowd() as listening, raw_server(stack) as raw:
        [owner] = await owners(http, stack, on, [PRODUCTS])
        await watching.open(stack.socket_url, [watchers(SUBSCRIBERS, owner.person.token, WATCH)])
        await listening.open(f"ws://{raw.address}/", [Sockets(SUBSCRIBERS)])

        async def rename(number: int) -> None:
            await owner.person.ask(RENAME, id=owner.product_ids[number % PRODUCTS], name=f"product {number % PRODUCTS:06} v{number}")

        async def broadcast(_: int) -> None:
            await http.post(f"http://{raw.address}/broadcast", content=frame)

        runs_before = (await engine_figures(stack))["runs"]
        for number in range(ROUNDS + WARM_UP):
            frame = await _round(live, watching, stack.pid, rename, number)
            await _round(bare, listening, raw.pid, broadcast, number)
        runs = (await engine_figures(stack))["runs"] - runs_before
    return live, bare, runs / (ROUNDS + WARM_UP)


async def _round(into: Rounds, of: Crowd, pid: int, change: Callable[[int], Awaitable[None]], number: int) -> str:
    await of.reset()
    cpu_before = cpu_seconds(pid)
    sent = time.perf_counter()
    served = asyncio.create_task(of.messages(SUBSCRIBERS))
    await change(number)
    answered = time.perf_counter()
    tally = await served
    if number >= WARM_UP:
        into.after_sending.append(tally.last - sent)
        into.after_answer.append(tally.last - answered)
        into.first_to_last.append(tally.last - tally.first)
        into.cpu.append(cpu_seconds(pid) - cpu_before)
    return tally.sample


async def run(stack: Stack) -> None:
    """Measures and prints."""
    live, bare, runs = await measure(stack)
    ratio = statistics.median(live.after_answer) / statistics.median(bare.after_answer)
    rows = [
        live.row("live result of Tillstream, after a mutation"),
        bare.row("the same bytes, bare uvicorn and Starlette, after a POST"),
        ["ratio (goal: at most 1.3 after the answer)", "", f"{ratio:.2f}", "", ""],
        ["runs of the operation for each change (goal: 1)", "", f"{runs:.2f}", "", ""],
    ]
    columns = ["", "after sending", "after its answer", "first to last", "CPU of the server"]
    print_table(f"{SUBSCRIBERS:,} subscribers of one operation: the last one served (milliseconds, medians of {ROUNDS})", columns, rows)
