"""What a write costs, and of it to find whom it touches: among 100 live operations, and among 100,000 of 10,000 owners."""

import httpx

from bench.many_operations import CHANGES, DOCUMENTS
from bench.processes import program
from bench.shelves import owners, shelves
from bench.stack import Stack
from bench.table import print_table

FEW, MANY = 100, 100_000
EACH = len(DOCUMENTS)
PRODUCTS = 40
USER = "{ viewer { id } }"


async def run(stack: Stack) -> None:
    """Measures and prints."""
    async with httpx.AsyncClient() as http, shelves(stack) as on:
        [owner] = await owners(http, stack, on, [PRODUCTS])
        user_id = (await owner.person.ask(USER))["data"]["viewer"]["id"]
    async with program("bench.many_operations", *stack.database, owner.account_id, user_id) as engine:
        few = await engine.ask("measure", operations=FEW, owners=FEW // EACH)
        many = await engine.ask("measure", operations=MANY, owners=FEW // EACH)
        spread = await engine.ask("measure", operations=MANY, owners=MANY // EACH)
    each = (many["resident"] - few["resident"]) / (MANY - FEW) / 1024
    rows = [
        [f"{FEW:,} operations, changes of rows of their {FEW // EACH} owners", *_figures(few)],
        [f"{MANY:,} operations, changes of rows of the same {FEW // EACH} owners", *_figures(many)],
        ["ratio", *_ratios(many, few)],
        [f"{MANY:,} operations, changes of rows of all {MANY // EACH:,} owners in turn", *_figures(spread)],
        ["ratio (goal for matching: at most 50 µs; for the write: at most 1.5)", *_ratios(spread, few)],
        [f"memory of each operation, its read set and its watcher: {each:.1f} KiB", *[""] * 5],
    ]
    title = f"Matching a change with the live operations of one process ({EACH} to each owner, {CHANGES:,} changes)"
    columns = ["", "matching: median (µs)", "mean (µs)", "operations woken", "whole write: median (ms)", "of it CPU (ms)"]
    print_table(title, columns, rows)


def _figures(found: dict[str, float]) -> list[str]:
    return [f"{found['median']:.1f}", f"{found['mean']:.1f}", f"{found['wakes']:.1f}", f"{found['wall']:.2f}", f"{found['cpu']:.2f}"]


def _ratios(these: dict[str, float], those: dict[str, float]) -> list[str]:
    ratios = {name: f"{these[name] / those[name]:.2f}" for name in ("median", "mean", "wall", "cpu")}
    return [ratios["median"], ratios["mean"], "", ratios["wall"], ratios["cpu"]]
