"""A page of sales at the top of the list, and one 100,000 sales down: its cursor is come to page by page, as a client comes to it."""

import statistics
import time

import httpx

from bench.stack import Person, Stack
from bench.table import print_table
from bench.trades import business, services_of

DEPTH = 100_000
ROUNDS = 100
WALK = "query ($after: String) { sales(first: 100, after: $after) { pageInfo { endCursor } } }"
PAGE = """
query ($after: String) {
  sales(first: 50, after: $after) { nodes { number total soldAt status paymentMethod items { name quantity total } } }
}
"""


async def run(stack: Stack, largest: int) -> None:
    """Measures and prints."""
    depth = min(DEPTH, largest - 100)
    async with httpx.AsyncClient(timeout=60) as http, services_of(stack) as services:
        person = await (await business(services, depth + 100)).sign_in(http, stack)
        cursor, walked = await _walk(person, depth)
        times: dict[str | None, list[float]] = {None: [], cursor: []}
        for _ in range(ROUNDS):
            for after, taken in times.items():
                begun = time.perf_counter()
                await person.ask(PAGE, after=after)
                taken.append((time.perf_counter() - begun) * 1e3)
    top, deep = (statistics.median(taken) for taken in times.values())
    rows = [
        ["at the top", f"{top:.2f}"],
        [f"{depth:,} sales down", f"{deep:.2f}"],
        ["ratio (goal: at most 1.2)", f"{deep / top:.2f}"],
        [f"each of the {depth // 100:,} pages on the way there", f"{walked:.2f}"],
    ]
    print_table(f"sales(first: 50) with their items: medians of {ROUNDS}", ["page", "ms"], rows)


async def _walk(person: Person, depth: int) -> tuple[str, float]:
    """The cursor so far down, and the milliseconds of each page on the way."""
    cursor, begun = None, time.perf_counter()
    for _ in range(depth // 100):
        cursor = (await person.ask(WALK, after=cursor))["data"]["sales"]["pageInfo"]["endCursor"]
    if cursor is None:
        raise RuntimeError("there are no sales to page through")
    return cursor, (time.perf_counter() - begun) * 1e3 / (depth // 100)
