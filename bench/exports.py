"""What it costs to export a ledger of a million entries, and how much memory: by REST and by jobs (docs/benchmarks.md)."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from bench.processes import cpu_seconds, resident_bytes
from bench.stack import Person, Stack, running_stack, served
from bench.table import print_table
from datastore.bulk_writing import in_bulk
from datastore.database import Database
from datastore.schema import LedgerEntry
from datastore.scope import Scope
from datastore.settings import environment_of
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from gql.app import open_services
from resolvers.auth import authenticate

CREATE_KEY = 'mutation { createApiKey(input: {name: "Export", scopes: [TRANSACTIONS_READ]}) { key } }'
EXPORT = """mutation ($from: Date!, $to: Date!, $format: TableFormat!) {
  exportTransactions(from: $from, to: $to, format: $format) { id }
}"""
JOB = "query ($id: ID!) { job(id: $id) { status error result startedAt finishedAt file { size } } }"
FORMATS = {"CSV": ("csv", "identity"), "CSV, gzip": ("csv", "gzip"), "JSON Lines": ("jsonl", "identity")}
GOAL_MIB = 150
MIB = 1 << 20
ROWS_AT_ONCE = 2_000
SAMPLED_SECONDS = 0.05
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Exported:
    """One export: its rows and bytes, how long it took, and what the server used meanwhile."""

    rows: int
    length: int
    seconds: float
    cpu: float
    peak: int


async def run(stack: Stack, entries: int) -> None:
    """Fills a ledger, and exports it in every way; `stack` carries out no jobs."""
    async with httpx.AsyncClient(timeout=None) as client:
        person = await Person.sign_up(client, stack.url)
        await _fill(stack, person.token, entries)
        print(f"The server that followed these writes has {resident_bytes(stack.pid) / MIB:.0f} MiB resident.")
        key = (await person.ask(CREATE_KEY))["data"]["createApiKey"]["key"]
        async with served(stack.settings) as fresh:
            idle = resident_bytes(fresh.pid)
            lines = [_line(name, await _export(client, fresh, key, *how, entries)) for name, how in FORMATS.items()]
        _print("A whole ledger by REST, from a server that has just started", lines, idle)
        async with _working(stack) as pid:
            await _export_by_job(person, pid, "CSV", 1)
            idle = resident_bytes(pid)
            lines = [_line(format, await _export_by_job(person, pid, format, entries)) for format in ("CSV", "XLSX")]
        _print("A whole ledger by jobs (`exportTransactions`), one `tillstream worker`", lines, idle)


def _line(name: str, done: Exported) -> list[str]:
    return [
        name,
        f"{done.rows:,}",
        f"{done.length / MIB:.0f} MiB",
        f"{done.seconds:.1f} s",
        f"{done.rows / done.seconds:,.0f}",
        f"{done.cpu / done.rows * 1e6:.1f} µs",
        f"{done.peak / MIB:.0f} MiB",
    ]


def _print(title: str, lines: list[list[str]], idle: int) -> None:
    print_table(title, ["export", "rows", "size", "took", "rows a second", "CPU a row", "most resident"], lines)
    print(f"The process had {idle / MIB:.0f} MiB resident before; the goal is less than {GOAL_MIB} MiB.")


@asynccontextmanager
async def _working(stack: Stack) -> AsyncGenerator[int, None]:
    """The process of a `tillstream worker`."""
    settings = stack.settings.model_copy(update={"job_slots": 1})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", "worker"), env=environment_of(settings) | {"TILLSTREAM_LOG_LEVEL": "WARNING"}
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def _export_by_job(person: Person, pid: int, format: str, entries: int) -> Exported:
    """The export of the first so many entries, to the end of the day of the last."""
    last = BEGIN + timedelta(minutes=entries - 1)
    cpu = cpu_seconds(pid)
    async with _peak_of(pid) as peak:
        asked = await person.ask(EXPORT, **{"from": BEGIN.date().isoformat(), "to": last.date().isoformat(), "format": format})
        id = asked["data"]["exportTransactions"]["id"]
        while not (job := (await person.ask(JOB, id=id))["data"]["job"])["finishedAt"]:  # noqa: ASYNC110  another process ends it
            await asyncio.sleep(SAMPLED_SECONDS)
    if job["status"] != "SUCCEEDED":
        raise RuntimeError(f"the export ended as {job['status']}: {job['error']}")
    begun, ended = (datetime.fromisoformat(job[name]) for name in ("startedAt", "finishedAt"))
    return Exported(job["result"]["rows"], int(job["file"]["size"]), (ended - begun).total_seconds(), cpu_seconds(pid) - cpu, max(peak))


async def _export(client: httpx.AsyncClient, stack: Stack, key: str, ending: str, coding: str, entries: int) -> Exported:
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": coding}
    rows = length = 0
    begun, cpu = time.perf_counter(), cpu_seconds(stack.pid)
    url = f"{stack.url}/api/v1/export/transactions.{ending}"
    async with _peak_of(stack.pid) as peak, client.stream("GET", url, headers=headers) as response:
        async for piece in response.aiter_raw():
            length += len(piece)
            rows += piece.count(b"\n") if coding == "identity" else 0
    seconds = time.perf_counter() - begun
    if coding == "identity" and rows != entries + (ending == "csv"):
        raise RuntimeError(f"{rows} lines came of {entries} entries")
    return Exported(entries, length, seconds, cpu_seconds(stack.pid) - cpu, max(peak))


@asynccontextmanager
async def _peak_of(pid: int) -> AsyncGenerator[list[int], None]:
    """Samples of the memory that a process has resident while the context lasts."""
    samples = [resident_bytes(pid)]

    async def sample() -> None:
        while True:
            samples.append(resident_bytes(pid))
            await asyncio.sleep(SAMPLED_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def _fill(stack: Stack, token: str, entries: int) -> None:
    """Stores so many entries, in bulk."""
    async with open_services(stack.settings) as services:
        scope = await authenticate(services, token)
        begun = time.perf_counter()
        for first in range(0, entries, ROWS_AT_ONCE):
            await _store(services.database, scope, list(_entries(scope, first, min(first + ROWS_AT_ONCE, entries))))
            if first % 100_000 == 0:
                print(f"… {first:,} of {entries:,} entries are there", flush=True)
        print(f"{entries:,} entries were stored in {time.perf_counter() - begun:.0f} s", flush=True)


async def _store(database: Database, scope: Scope, rows: list[LedgerEntry]) -> None:
    async def body(transaction: Transaction) -> None:
        async with in_bulk(Writer(transaction, scope)) as db:
            await db.insert_all(rows)

    await run_transaction(database, body)


def _entries(scope: Scope, first: int, last: int) -> Iterator[LedgerEntry]:
    """Entries a minute apart; a day is that of UTC."""
    for number in range(first, last):
        at = BEGIN + timedelta(minutes=number)
        columns: dict[str, Any] = {"created_at": at, "updated_at": at, "occurred_at": at, "occurred_on": at.date().isoformat()}
        yield LedgerEntry(
            id=LedgerEntry.new_id(),
            account_id=scope.account_id,
            kind="MANUAL",
            currency="EUR",
            amount_minor=number % 100_000 - 20_000,
            description=f"Entry {number}, by hand",
            source_id=None,
            reverses_id=None,
            recorded_by_id=scope.user_id,
            **columns,
        )


async def _run_alone(entries: int) -> None:
    async with running_stack(job_slots=0) as stack:
        await run(stack, entries)


def main() -> None:
    """Reads the options and runs."""
    options = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    options.add_argument("--entries", type=int, default=1_000_000, help="how many entries the ledger has")
    asyncio.run(_run_alone(options.parse_args().entries))


if __name__ == "__main__":
    main()
