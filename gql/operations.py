"""What an operator does from the command line: migrate, seed, verify. Each works on the settings' servers, or on the embedded ones."""

import fcntl
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datastore.database import Database
from datastore.embedded import embedded_blobs, embedded_mongod, running_blobs
from datastore.errors import InvalidInputError, UnavailableError
from datastore.migrate import migrate
from datastore.processes import take_lock
from datastore.settings import Settings
from gql.app import open_services
from resolvers.demo import enter_demo_shop, fill_demo_shop, trade_in_demo_shop
from resolvers.verify import rows_to_read, verify
from resolvers.verify_files import verify_files

console = Console()

RUNNING = "running.json"
"""The note in the data folder by which commands find the servers that `tillstream dev` runs."""


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


@dataclass(frozen=True, slots=True)
class DemoShop:
    """What a demo shop is to have, and who signs in to it. The last day that is traded on is yesterday, where none is given."""

    products: int = 200
    sales: int = 2_000
    months: int = 6
    last_day: date | None = None
    email: str = "demo@tillstream.example"
    password: str = "demo-password"  # noqa: S105  printed for everybody to use


async def run_seed(settings: Settings, shop: DemoShop) -> None:
    """Fills the demo shop, with progress bars, and prints how to sign in."""
    async with _reachable(settings) as ready:
        await migrate_on(ready, quiet=True)
        await seed_on(ready, shop)


async def seed_on(settings: Settings, shop: DemoShop) -> None:
    """The same on servers that run already. Raises InvalidInputError for a last day that has not passed yet."""
    async with open_services(settings) as services:
        yesterday = services.clock().date() - timedelta(days=1)
        if shop.last_day is not None and shop.last_day > yesterday:
            raise InvalidInputError.of("--until", f"must be {yesterday} at the latest: what is sold later has not happened yet")
        with _progress("Demo shop", shop.products) as done:
            who = {"email": shop.email, "password": shop.password}
            products = await fill_demo_shop(services, products=shop.products, **who, progress=done)
        scope = await enter_demo_shop(services, **who)
        with _progress("Its trade", shop.sales) as done:
            plan = {"sales": shop.sales, "months": shop.months}
            sales = await trade_in_demo_shop(services, scope, **plan, last_day=shop.last_day or yesterday, progress=done)
    console.print(f"{products} products and {sales:,} sales were added.", highlight=False)
    console.print(f"Sign in as [bold]{shop.email}[/] with the password [bold]{shop.password}[/].", highlight=False)


async def run_verify(settings: Settings, account_id: str | None) -> bool:
    """Holds all stored rows against each other, with a progress bar; prints what does not add up, and returns whether everything does."""
    async with _reachable(settings) as ready, open_services(ready) as services:
        total = await rows_to_read(services.database, account_id)
        with _progress("Verifying", total) as done:
            found = await verify(services.database, account_id, read=_adding_up(done))
            done(total)
    for line in found.findings:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    if found.more:
        console.print(f"  … and {found.more:,} more", highlight=False)
    looked_at = f"{found.accounts:,} accounts, {found.sales:,} sales, {found.entries:,} ledger entries in {found.seconds:.1f} s"
    verdict = f"{len(found.findings) + found.more:,} findings" if found.findings else "Everything adds up"
    console.print(f"{verdict}: {looked_at}.", highlight=False)
    return not found.findings


async def run_verify_files(settings: Settings, account_id: str | None, *, mend: bool) -> bool:
    """Holds the rows of files against what the store has, prints what does not fit together, and returns whether everything does."""
    async with _reachable(settings) as database, _with_files(database) as ready, open_services(ready) as services:
        found = await verify_files(services, account_id, mend=mend)
    for line in found.findings:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    if found.more:
        console.print(f"  … and {found.more:,} more", highlight=False)
    number = len(found.findings) + found.more
    verdict = f"{number:,} findings, of which {found.mended:,} were mended" if number else "Everything fits together"
    console.print(f"{verdict}: {found.files:,} files, {found.objects:,} objects in the store in {found.seconds:.1f} s.", highlight=False)
    return not number


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar, moved by how much is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def _adding_up(done: Callable[[int], None]) -> Callable[[int], None]:
    """What takes portions, and tells their sum."""
    sums = [0]

    def add(portion: int) -> None:
        sums[0] += portion
        done(sums[0])

    return add


@contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Lets other commands find the servers that this process runs, while the context lasts."""
    note = settings.data_dir / RUNNING
    with note.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go of it however this process ends
        json.dump({"mongodb_uri": settings.mongodb_uri, "s3_endpoint": settings.s3_endpoint}, file)
        file.flush()
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


@asynccontextmanager
async def _reachable(settings: Settings) -> AsyncGenerator[Settings, None]:
    """Settings whose MongoDB runs: the one they name, the one that `tillstream dev` runs on the same data, or one started for now."""
    running = _running(settings).get("mongodb_uri")
    if settings.mongodb_uri is not None:
        yield settings
    elif running is not None and await _answers(running, settings):
        yield settings.model_copy(update={"mongodb_uri": running})
    else:
        async with embedded_mongod(settings.data_dir) as server:
            yield settings.model_copy(update={"mongodb_uri": server.uri})


@asynccontextmanager
async def _with_files(settings: Settings) -> AsyncGenerator[Settings, None]:
    """The same for the S3 store: two programs cannot work on the data of the embedded one."""
    async with AsyncExitStack() as stack:
        if settings.s3_endpoint is None:
            endpoint = _running(settings).get("s3_endpoint")
            found = None if endpoint is None else await running_blobs(settings.data_dir, endpoint)
            if found is None:
                found = (await stack.enter_async_context(embedded_blobs(settings.data_dir))).settings
            settings = settings.model_copy(update=found)
        yield settings


def _running(settings: Settings) -> dict[str, str]:
    """The servers that `tillstream dev` runs on the same data.

    None where it was killed, though its note is there: at their addresses may be those of another project by now.
    """
    try:
        with (settings.data_dir / RUNNING).open(encoding="utf-8") as file:
            # Shared, so that two commands that look at once do not take each other for the one that wrote it.
            note: dict[str, str] = {} if take_lock(file.fileno(), shared=True) else json.load(file)
    except (FileNotFoundError, ValueError):  # none, or it is being written
        return {}
    return note


async def _answers(uri: str, settings: Settings) -> bool:
    """Whether there is a MongoDB; that of `tillstream dev` may have stopped by itself."""
    try:
        database = await Database.connect(f"{uri}&serverSelectionTimeoutMS=1000", settings.mongodb_database)
    except UnavailableError:
        return False
    await database.close()
    return True
