"""1,000 watchers of 200 owners, and 50 writes a second to rows of one owner, of which one in ten is on the page that is watched.

Tillstream and the baseline follow the same writes at the same time. The baseline is the least that a server without read sets can do: one
bare change stream, and the same bytes to the owner's watchers at every event, with no query run. Both keep their sockets alive, Tillstream
by the protocol's messages, the baseline by the control frames of uvicorn, at the same interval.
"""

import asyncio
from dataclasses import dataclass

import httpx

from bench.crowd import Group, Tally, crowd, watchers
from bench.fan_out import WATCH
from bench.processes import cpu_seconds
from bench.server import raw_server
from bench.shelves import Owner, Shelves, owners, shelves
from bench.stack import Stack, engine_figures
from bench.table import print_table
from gql.websocket import PING_SECONDS

OWNERS = 200
WATCHERS_EACH = 5
PAGE = 20
PRODUCTS = 200
WRITES_A_SECOND = 50
SECONDS = 10
SETTLE_SECONDS = PING_SECONDS - SECONDS
"""What is measured is as long as a keep-alive's interval, so that each socket of either server has one in it."""
WARM_UP_WRITES = 100
WARM_UP_SETTLES_SECONDS = 0.5


@dataclass
class Side:
    """What one server sent, and what it used."""

    tally: Tally
    cpu: float

    def row(self, name: str) -> list[str]:
        """For the table."""
        return [name, f"{self.tally.messages:,}", f"{self.tally.bytes / 1024:,.0f}", f"{self.cpu:.2f}"]


async def measure(stack: Stack) -> tuple[Side, Side, float, float]:
    """Tillstream's side, the baseline's, the runs that were made, and the microseconds of matching for each change."""
    async with httpx.AsyncClient() as http, shelves(stack) as on, crowd() as watching, crowd() as listening, raw_server(stack) as raw:
        people = await owners(http, stack, on, [PRODUCTS, *[PAGE] * (OWNERS - 1)])
        groups = [watchers(WATCHERS_EACH, owner.person.token, WATCH) for owner in people]
        frame = await watching.open(stack.socket_url, groups)
        await listening.open(f"ws://{raw.address}/", [Group(WATCHERS_EACH * OWNERS)])
        await http.post(f"http://{raw.address}/follow?first={WATCHERS_EACH}", content=frame)
        await _write(on, people[0], WARM_UP_WRITES)
        await asyncio.sleep(WARM_UP_SETTLES_SECONDS)
        await watching.reset()
        await listening.reset()
        before, cpu_before = await engine_figures(stack), (cpu_seconds(stack.pid), cpu_seconds(raw.pid))
        await _write(on, people[0], WRITES_A_SECOND * SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        cpu = cpu_seconds(stack.pid) - cpu_before[0], cpu_seconds(raw.pid) - cpu_before[1]
        after = await engine_figures(stack)
        sides = Side(await watching.tally(), cpu[0]), Side(await listening.tally(), cpu[1])
    matching = (after["matching_seconds"] - before["matching_seconds"]) / (after["changes"] - before["changes"])
    return *sides, after["runs"] - before["runs"], matching * 1e6


async def _write(on: Shelves, owner: Owner, writes: int) -> None:
    """Changes products one after the other, every tenth of them one on the page that is watched, each to a stock that it never had."""
    for number in range(writes):
        due = asyncio.create_task(asyncio.sleep(1 / WRITES_A_SECOND))
        place = number // 10 % PAGE if number % 10 == 0 else PAGE + number % (PRODUCTS - PAGE)
        await on.restock(owner.product_ids[place], writes + number)
        await due


async def run(stack: Stack) -> None:
    """Measures and prints."""
    live, bare, runs, matching = await measure(stack)
    rows = [
        live.row("Tillstream: the changed pages alone"),
        bare.row("bare change stream, and a broadcast to the owner's watchers at every write"),
        ["ratio (goal: CPU at most 1)", f"{live.tally.messages / bare.tally.messages:.2f}", "", f"{live.cpu / bare.cpu:.2f}"],
        [f"Tillstream: runs {runs:.0f}, matching {matching:.0f} µs a change", "", "", ""],
    ]
    title = f"{WATCHERS_EACH * OWNERS:,} subscribers of {OWNERS} owners, {WRITES_A_SECOND * SECONDS} writes to one in {SECONDS} seconds"
    print_table(title, ["", "messages", "KiB", "CPU of the server (s)"], rows)
