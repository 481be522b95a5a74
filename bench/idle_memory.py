"""What an idle live subscriber costs in memory, on top of what a bare websocket on the same uvicorn costs.

The slope between two sizes, so that what a server has whoever watches does not count. They come a few at a time: what a burst of people who
authenticate at once needs for a moment is no memory of the idle.
"""

from collections.abc import Callable

import httpx

from bench.crowd import Group, crowd, watchers
from bench.fan_out import PRODUCTS, WATCH
from bench.processes import resident_bytes
from bench.server import raw_server
from bench.shelves import owners, shelves
from bench.stack import Stack
from bench.table import print_table

FIRST, MORE, AT_ONCE = 500, 2_500, 250


async def measure(stack: Stack) -> tuple[float, float]:
    """KiB for each subscriber of Tillstream, and for each bare websocket."""
    async with httpx.AsyncClient() as http, shelves(stack) as on, raw_server(stack) as raw:
        [owner] = await owners(http, stack, on, [PRODUCTS])
        live = await _slope(stack.pid, stack.socket_url, lambda count: watchers(count, owner.person.token, WATCH))
        bare = await _slope(raw.pid, f"ws://{raw.address}/", Group)
    return live, bare


async def _slope(pid: int, url: str, group: Callable[[int], Group]) -> float:
    async with crowd() as sockets:
        await sockets.open(url, [group(FIRST)])
        before = resident_bytes(pid)
        for _ in range(MORE // AT_ONCE):
            await sockets.open(url, [group(AT_ONCE)])
        return (resident_bytes(pid) - before) / MORE / 1024


async def run(stack: Stack) -> None:
    """Measures and prints."""
    live, bare = await measure(stack)
    rows = [
        ["live subscriber of Tillstream", f"{live:.1f}"],
        ["bare websocket, uvicorn and Starlette", f"{bare:.1f}"],
        ["on top of it (goal: at most 10)", f"{live - bare:.1f}"],
    ]
    print_table(f"Resident memory of each idle socket, {MORE:,} of them (KiB)", ["", "each"], rows)
