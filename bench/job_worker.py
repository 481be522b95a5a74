"""A worker process of `bench/jobs.py`, with the actions that are measured: `python -m bench.job_worker SLOTS LEASE_SECONDS`."""

import asyncio
import logging
import sys
import time

from datastore.settings import load_settings
from gql.app import open_services
from gql.working import listen
from resolvers.actions import ActionContext, Outcome, action
from resolvers.workers import Worker


@action(attempts=3)
async def bench_nothing(_ctx: ActionContext) -> Outcome:
    """Says when it began."""
    return Outcome(result={"at": time.time()})


@action(attempts=100, first_backoff=0.2)
async def bench_effect(ctx: ActionContext, *, port: int) -> None:
    """Has one effect at a server outside, which is told the handle, and shows its progress before and after."""
    await ctx.progress(0, 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"POST /effect HTTP/1.1\r\nHost: bench\r\nIdempotency-Key: {ctx.handle}\r\nContent-Length: 0\r\n\r\n".encode())
        if b"204" not in await reader.readline():
            raise ConnectionError("the server did not take it")
    finally:
        writer.close()
    await ctx.progress(1, 1)


async def main(slots: int, lease_seconds: float) -> None:
    """Works until it is killed."""
    logging.basicConfig(level="ERROR")
    async with open_services(load_settings()) as services:
        worker = Worker(services, slots=slots, lease_seconds=lease_seconds)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.gather(worker.run(), listen(services.database, worker))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
