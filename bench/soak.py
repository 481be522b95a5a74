"""`make soak SEED=… MINUTES=…`: random writers, watchers and disturbances on a real server, until the time is up or a promise breaks.

The seed decides what is done. How it interleaves is up to the servers, so a seed that failed once is worth several more minutes.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from bench.table import print_table
from datastore.embedded import embedded_mongod
from datastore.migrate import migrate
from datastore.settings import Settings
from gql.app import open_service, open_services
from tests.gql.api import Api
from tests.live.promises import BrokenPromiseError
from tests.live.shops import World
from tests.live.soak import Report, run_soak


async def soak(seed: int, minutes: float) -> Report:
    """One soak on a fresh MongoDB. Raises BrokenPromiseError."""
    with tempfile.TemporaryDirectory(prefix="tillstream-soak-") as folder:
        async with embedded_mongod(Path(folder), parameters={"enableTestCommands": "1"}) as server:
            settings = Settings(env="test", data_dir=Path(folder), mongodb_uri=server.uri, address_limits=0, max_cost_per_minute=10**12)
            async with open_services(settings) as services, AsyncMongoClient[dict[str, Any]](server.uri, tz_aware=True) as client:
                await migrate(services.database)
                async with open_service(services) as service:
                    world = World(Api(service, services), client[settings.mongodb_database])
                    return await run_soak(world, seed, minutes * 60)


def main() -> int:
    """Reads the options, soaks, prints the report; 1 where a promise was broken."""
    options = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--minutes", type=float, default=2.0)
    chosen = options.parse_args()
    started = time.monotonic()
    try:
        report = asyncio.run(soak(chosen.seed, chosen.minutes))
    except BrokenPromiseError as broken:
        print(f"seed {chosen.seed}, after {time.monotonic() - started:.0f} s: {broken}", file=sys.stderr)
        return 1
    print(f"Every promise held for {chosen.minutes:g} minutes, seed {chosen.seed}")
    print_table("", ["", "count"], report.rows())
    return 0


if __name__ == "__main__":
    sys.exit(main())
