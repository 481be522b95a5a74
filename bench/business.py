"""`make bench-business`: what recording and looking at much trade costs (docs/benchmarks.md)."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from bench import dashboard_size, deep_pages, tills
from bench.stack import Stack, running_stack

PARTS: dict[str, Callable[[Stack, int], Awaitable[None]]] = {
    "tills": tills.run,
    "sums": tills.run_without_sums,
    "pages": deep_pages.run,
    "dashboard": dashboard_size.run,
}


async def run(names: list[str], largest: int) -> None:
    """Runs the parts of these names one after the other, on one server."""
    async with running_stack() as stack:
        for name in names:
            await PARTS[name](stack, largest)


def main() -> None:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m bench.business", description=__doc__)
    options.add_argument("names", nargs="*", choices=[*PARTS, []], help="which parts; all, where none is named")
    options.add_argument("--sales", type=int, default=1_000_000, help="how many sales the largest business has made")
    chosen = options.parse_args()
    asyncio.run(run(chosen.names or list(PARTS), chosen.sales))


if __name__ == "__main__":
    main()
