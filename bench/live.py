"""`make bench-live`: what the live engine promises in numbers, each beside its baseline from the same run (docs/benchmarks.md)."""

import argparse
import asyncio
from types import ModuleType

from bench import fan_out, idle_memory, latency_under_load, many_owners, naive, selectivity
from bench.stack import running_stack

# The memory first: a server that has been busy has memory to give to newcomers.
BENCHMARKS: dict[str, ModuleType] = {
    "memory": idle_memory,
    "latency": latency_under_load,
    "fan-out": fan_out,
    "owners": many_owners,
    "selectivity": selectivity,
    "naive": naive,
}
WATCHED_BY_ONE = 10_000
"""One person opens thousands of sockets here, where a shop would have a few dozen."""


async def run(names: list[str]) -> None:
    """Runs the benchmarks of these names one after the other, on one server."""
    async with running_stack(max_live_per_user=WATCHED_BY_ONE) as stack:
        for name in names:
            await BENCHMARKS[name].run(stack)


def main() -> None:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    options.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which of them; all, where none is named")
    asyncio.run(run(options.parse_args().names or list(BENCHMARKS)))


if __name__ == "__main__":
    main()
