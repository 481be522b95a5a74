"""`make bench-jobs`: how fast jobs are carried out, how soon they begin, and what becomes of them when workers are killed."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any, Final

from bench.effects import effect_server
from bench.job_worker import bench_effect, bench_nothing
from bench.processes import cpu_seconds
from bench.stack import PASSWORD
from bench.table import print_table
from datastore.embedded import servers
from datastore.migrate import migrate
from datastore.settings import Settings, environment_of
from gql.app import open_services
from resolvers.calls import Calls
from resolvers.demo import enter_demo_shop
from resolvers.functions import MutationContext
from resolvers.scheduling import ActionFunction
from resolvers.services import Services

SLOTS: Final = 8
LEASE_SECONDS: Final = 30.0
SHORT_LEASE_SECONDS: Final = 3.0
"""Where workers are killed, so that the benchmark does not wait for leases most of the time."""

KILL_EVERY: Final = 1.0
WORKERS: Final = 4
TOGETHER: Final = 200
START_SECONDS: Final = 6.0
LIMIT_SECONDS: Final = 1800
LATENCIES: Final = 200


@dataclass(frozen=True)
class Bench:
    """The servers, and somebody who schedules."""

    settings: Settings
    services: Services
    calls: Calls

    async def schedule(self, action: ActionFunction, count: int, arguments: dict[str, Any], at: datetime | None = None) -> None:
        """Schedules so many jobs, some at a time."""

        async def some(ctx: MutationContext, number: int) -> None:
            for _ in range(number):
                await ctx.schedule(action, arguments, at=at)

        for begun in range(0, count, TOGETHER):
            await self.calls.mutate(some, number=min(TOGETHER, count - begun))

    async def finished(self, kind: str, count: int) -> list[dict[str, Any]]:
        """The jobs of a kind, once so many have ended, which are all."""
        database = self.services.database
        ended = {"count": "jobs", "query": {"kind": kind, "finished_at": {"$ne": None}}}
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await database.command(ended))["n"] < count:  # noqa: ASYNC110  another process ends them
                await asyncio.sleep(0.2)
        reply = await database.command({"find": "jobs", "filter": {"kind": kind}, "batchSize": count, "singleBatch": True})
        jobs: list[dict[str, Any]] = reply["cursor"]["firstBatch"]
        return jobs

    async def forget(self) -> None:
        """Deletes all jobs."""
        await self.services.database.command({"delete": "jobs", "deletes": [{"q": {}, "limit": 0}]})

    async def worker(self, lease_seconds: float = LEASE_SECONDS) -> asyncio.subprocess.Process:
        """A process that works, once it does."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.job_worker", str(SLOTS), str(lease_seconds)),
            env=environment_of(self.settings),
            stdout=asyncio.subprocess.PIPE,
        )
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError("a worker has ended before it was ready")
        return process

    @asynccontextmanager
    async def workers(self, count: int, lease_seconds: float = LEASE_SECONDS) -> AsyncGenerator[list[asyncio.subprocess.Process], None]:
        """So many processes that work, until the context ends; whoever ends one puts another into the list."""
        processes = await asyncio.gather(*(self.worker(lease_seconds) for _ in range(count)))
        try:
            yield processes
        finally:
            for process in processes:
                await _kill(process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def rates(bench: Bench, count: int) -> None:
    """Jobs per second that do nothing, so that what is measured is the queue."""
    rows = []
    for workers in (1, WORKERS):
        async with bench.workers(workers) as processes:
            due = bench.services.clock() + timedelta(seconds=START_SECONDS + count / 500)
            await bench.schedule(bench_nothing, count, {}, due)
            before = sum(cpu_seconds(process.pid) for process in processes)
            jobs = await bench.finished("benchNothing", count)
            cpu = sum(cpu_seconds(process.pid) for process in processes) - before
        seconds = (max(job["finished_at"] for job in jobs) - due).total_seconds()
        rows.append(
            [f"{workers} × {SLOTS}", f"{count:,}", f"{seconds:.1f} s", f"{count / seconds:,.0f} /s", f"{1000 * cpu / count:.1f} ms"]
        )
        await bench.forget()
    print_table(
        "Jobs that do nothing, all due at one moment", ["worker processes × slots", "jobs", "time", "rate", "CPU of workers per job"], rows
    )


async def latencies(bench: Bench, _count: int) -> None:
    """From the answer to the commit that scheduled a job to the first line of its action, in a worker that was idle."""
    gaps = []
    async with bench.workers(1):
        await bench.schedule(bench_nothing, 1, {})
        await bench.finished("benchNothing", 1)
        for number in range(LATENCIES):
            await asyncio.sleep(0.1)
            await bench.schedule(bench_nothing, 1, {})
            committed = time.time()
            jobs = await bench.finished("benchNothing", number + 2)
            newest = max(jobs, key=lambda job: job["_id"])
            gaps.append(_began(newest) - committed)
    await bench.forget()
    cuts = quantiles(gaps, n=100)
    columns = ["jobs", "median", "95 %", "longest"]
    figures = [f"{LATENCIES}", *(f"{1000 * gap:.1f} ms" for gap in (median(gaps), cuts[94], max(gaps)))]
    print_table("From commit to start, idle", columns, [figures])


def _began(job: dict[str, Any]) -> float:
    return float(json.loads(job["result"])["at"])


async def kills(bench: Bench, count: int) -> None:
    """Workers are killed at random while each job has one effect outside: what happened, and what happened twice."""
    random, killed = Random(0), 0
    async with AsyncExitStack() as stack:
        port, counts = await stack.enter_async_context(effect_server())
        await bench.schedule(bench_effect, count, {"port": port})
        processes = await stack.enter_async_context(bench.workers(WORKERS, SHORT_LEASE_SECONDS))
        begun = time.monotonic()
        finishing = asyncio.create_task(bench.finished("benchEffect", count))
        while not finishing.done():
            await asyncio.wait([finishing], timeout=random.uniform(0, 2 * KILL_EVERY))
            if not finishing.done():
                victim = random.randrange(WORKERS)
                await _kill(processes[victim])
                processes[victim] = await bench.worker(SHORT_LEASE_SECONDS)
                killed += 1
        jobs, seconds = await finishing, time.monotonic() - begun
    _print_kills(jobs, counts, killed, seconds)
    await bench.forget()


def _print_kills(jobs: list[dict[str, Any]], counts: Counter[str], killed: int, seconds: float) -> None:
    handles = {job["_id"] for job in jobs}
    repeats = sum(counts.values()) - len(counts)
    statuses = Counter(job["status"] for job in jobs)
    rows = [
        ["jobs", f"{len(jobs):,} ({', '.join(f'{number:,} {status}' for status, number in statuses.items())})"],
        ["workers killed", f"{killed} in {seconds:.0f} s"],
        ["jobs begun more than once", f"{sum(job['attempts'] > 1 for job in jobs):,}"],
        ["effects that did not happen", f"{len(handles - counts.keys())}"],
        ["effects under a handle that no job has", f"{len(counts.keys() - handles)}"],
        ["repeats, each with the handle of the first", f"{repeats}"],
        ["repeats without a kill to answer for them", f"{max(0, repeats - killed * SLOTS)}"],
        ["repeats of jobs that were begun once", f"{sum(counts[job['_id']] > job['attempts'] for job in jobs)}"],
    ]
    print_table(f"{WORKERS} worker processes, killed at random (SIGKILL)", ["", "counted"], rows)


PARTS: dict[str, Callable[[Bench, int], Awaitable[None]]] = {"rates": rates, "latency": latencies, "kills": kills}


async def run(names: list[str], count: int) -> None:
    """Runs the parts of these names one after the other, on one server."""
    with tempfile.TemporaryDirectory(prefix="tillstream-bench-") as folder:
        async with servers(Settings(env="test", data_dir=Path(folder))) as settings, open_services(settings) as services:
            await migrate(services.database)
            await services.outside.blobs.prepare()
            scope = await enter_demo_shop(services, email="bench@example.org", password=PASSWORD)
            bench = Bench(settings, services, Calls(services, scope))
            for name in names:
                await PARTS[name](bench, count)


def main() -> None:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    options.add_argument("names", nargs="*", choices=[*PARTS, []], help="which parts; all, where none is named")
    options.add_argument("--jobs", type=int, default=10_000, help="how many jobs a part has")
    chosen = options.parse_args()
    asyncio.run(run(chosen.names or list(PARTS), chosen.jobs))


if __name__ == "__main__":
    main()
