"""A dashboard of this month, and what it costs to run it again live, with ever more sales behind it."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from bench.stack import Person, Stack, engine_figures, live_socket, next_result
from bench.table import print_table
from bench.trades import Business, business, services_of

ROUNDS = 100
LIVE_ROUNDS = 30
FIGURES = "revenue refunds tax expenses profit salesCount averageSale"
SELECTION = f"""
  {FIGURES} previous {{ {FIGURES} }} change {{ revenue profit }}
  series(by: DAY) {{ from revenue refunds expenses profit salesCount }}
  topProducts(first: 10) {{ name quantity revenue }}
  expensesByCategory {{ amount count category {{ name }} }} salesByPaymentMethod {{ paymentMethod amount count }}
  salesByHour {{ hour amount count }} lowStockProducts(first: 10) {{ nodes {{ name stock }} }}
  recentTransactions(first: 10) {{ nodes {{ id amount description }} }} inventoryValue
"""
RECORD = 'mutation { recordTransaction(input: {amount: "1.00", description: "Found"}) { id } }'


async def run(stack: Stack, largest: int) -> None:
    """Measures and prints."""
    async with httpx.AsyncClient(timeout=60) as http, services_of(stack) as services:
        sizes = [size for size in (1_000, 100_000, 1_000_000) if size < largest]
        some = [await business(services, size) for size in [*sizes, largest]]
        await measure(stack, some, [await one.sign_in(http, stack) for one in some])


async def measure(stack: Stack, some: Sequence[Business], owners: Sequence[Person]) -> None:
    """The same dashboard of each business in turn."""
    preset = "THIS_MONTH" if datetime.now(UTC).day > 7 else "LAST_MONTH"  # with as many days behind it as may be
    field = f"dashboard(preset: {preset}, compareWithPrevious: true) {{ {SELECTION} }}"
    asked = await _asked(owners, f"{{ {field} }}")
    live, runs = await _live(stack, owners, f"subscription {{ live {{ {field} }} }}")
    rows = [
        [f"{one.sales:,}", f"{query:.1f}", f"{again:.1f}", f"{one.seeded_a_second:,.0f}"]
        for one, query, again in zip(some, asked, live, strict=True)
    ]
    rows.append(["ratio, last to first (goal: at most 1.3)", f"{asked[-1] / asked[0]:.2f}", f"{live[-1] / live[0]:.2f}", ""])
    rows.append([f"runs of a live dashboard for each change: {runs:.2f}", "", "", ""])
    title = f"dashboard(preset: {preset}), every field of it: medians of {ROUNDS} and {LIVE_ROUNDS}"
    print_table(title, ["sales in the account", "query (ms)", "from a mutation's answer to the live result (ms)", "seeded a second"], rows)


async def _asked(owners: Sequence[Person], document: str) -> list[float]:
    times: list[list[float]] = [[] for _ in owners]
    for number in range(ROUNDS + 5):
        for owner, taken in zip(owners, times, strict=True):
            begun = time.perf_counter()
            await owner.ask(document)
            if number >= 5:
                taken.append((time.perf_counter() - begun) * 1e3)
    return [statistics.median(taken) for taken in times]


async def _live(stack: Stack, owners: Sequence[Person], document: str) -> tuple[list[float], float]:
    """Milliseconds from the answer of a mutation to the result that has it, and how often a dashboard ran for each."""
    medians, runs, changes = [], 0.0, 0
    for owner in owners:
        async with live_socket(stack, owner.token) as socket:
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": document}}))
            await next_result(socket)
            before, taken = await engine_figures(stack), []
            for _ in range(LIVE_ROUNDS):
                result = asyncio.create_task(next_result(socket))
                await owner.ask(RECORD)
                begun = time.perf_counter()
                await result
                taken.append((time.perf_counter() - begun) * 1e3)
            runs += (await engine_figures(stack))["runs"] - before["runs"]
            changes += LIVE_ROUNDS
        medians.append(statistics.median(taken))
    return medians, runs / changes
