"""A process that carries out jobs until it is killed: `python -m tests.gql.lone_worker LEASE_SECONDS`."""

import asyncio
import sys
from pathlib import Path

from datastore.settings import load_settings
from gql.app import open_services
from gql.working import listen
from resolvers.actions import ActionContext, action
from resolvers.workers import Worker


@action(attempts=3, timeout=60)
async def note_errand(ctx: ActionContext, *, folder: str) -> None:
    """Leaves a file that says that it was begun, and ends when it may."""
    (Path(folder) / f"{ctx.handle}.{ctx.attempt}").touch()
    while not (Path(folder) / "go").exists():
        await asyncio.sleep(0.02)


async def main(lease: float) -> None:
    """Works."""
    async with open_services(load_settings()) as services:
        worker = Worker(services, slots=4, lease_seconds=lease)
        await asyncio.gather(worker.run(), listen(services.database, worker))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
