"""What an operator does from the command line: migrate, seed. Each works on the settings' servers, or on the embedded ones."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datastore.database import Database
from datastore.embedded import embedded_mongod
from datastore.errors import UnavailableError
from datastore.migrate import migrate
from datastore.settings import Settings
from gql.app import open_services
from resolvers.demo import fill_demo_shop

console = Console()

RUNNING = "running.json"
"""The note in the data folder by which commands find the MongoDB that `tillstream dev` runs."""

DEMO_PRODUCTS = 200
DEMO_EMAIL, DEMO_PASSWORD = "demo@tillstream.example", "demo-password"


async def run_migrate(settings: Settings) -> None:
    """Brings the database in line with the tables, and prints what was done."""
    async with _reachable(settings) as ready:
        await migrate_on(ready)


async def migrate_on(settings: Settings, *, quiet: bool = False) -> None:
    """The same on servers that run already; `quiet` prints only what was changed."""
    database = await Database.connect(settings.mongodb_uri or "", settings.mongodb_database)
    try:
        report = await migrate(database)
    finally:
        await database.close()
    for line in report.lines:
        console.print(f"  {line}", highlight=False)
    if not quiet and not report.lines:
        console.print("Everything is as the tables declare; nothing was changed.")


async def run_seed(settings: Settings, *, products: int, email: str, password: str) -> None:
    """Fills the demo shop, with a progress bar, and prints how to sign in."""
    async with _reachable(settings) as ready:
        await migrate_on(ready, quiet=True)
        await seed_on(ready, products=products, email=email, password=password)


async def seed_on(settings: Settings, *, products: int, email: str, password: str) -> None:
    """The same on servers that run already."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_services(settings) as services:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("Demo shop", total=products)
            made = await fill_demo_shop(
                services, products=products, email=email, password=password, progress=lambda done: progress.update(task, completed=done)
            )
    console.print(f"{made} products were added. Sign in as [bold]{email}[/] with the password [bold]{password}[/].", highlight=False)


@contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Lets other commands find the MongoDB that this process runs, while the context lasts (they need no other of its servers)."""
    note = settings.data_dir / RUNNING
    note.write_text(json.dumps({"mongodb_uri": settings.mongodb_uri}), encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


@asynccontextmanager
async def _reachable(settings: Settings) -> AsyncGenerator[Settings, None]:
    """Settings whose MongoDB runs: the one they name, the one that `tillstream dev` runs on the same data, or one started for now."""
    try:
        note = json.loads((settings.data_dir / RUNNING).read_text(encoding="utf-8"))
    except FileNotFoundError:
        note = None
    if settings.mongodb_uri is not None:
        yield settings
    elif note is not None and await _answers(note["mongodb_uri"], settings):
        yield settings.model_copy(update=note)
    else:
        async with embedded_mongod(settings.data_dir) as server:
            yield settings.model_copy(update={"mongodb_uri": server.uri})


async def _answers(uri: str, settings: Settings) -> bool:
    """Whether there is a MongoDB; a note that a killed process left behind leads nowhere."""
    try:
        database = await Database.connect(f"{uri}&serverSelectionTimeoutMS=1000", settings.mongodb_database)
    except UnavailableError:
        return False
    await database.close()
    return True
