"""The command line, as a stranger uses it: child processes, real servers, nothing left behind."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient

from datastore.database import Database
from datastore.processes import take_lock
from datastore.settings import Settings, environment_of
from gql.operations import RUNNING
from gql.serving import bind

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60


async def tillstream(*arguments: str, settings: Settings) -> tuple[int, str, str]:
    """Runs a command to its end: its exit code and what it printed."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", *arguments), stdout=PIPE, stderr=PIPE, cwd=ROOT, env=environment_of(settings)
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        out, err = await command.communicate()
    return command.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def dev(folder: Path, port: int, *options: str) -> AsyncIterator[tuple[Process, str]]:
    """`tillstream dev` on an empty folder; yields the process and the address once it answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", "dev", "--port", str(port), *options),
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env=environment_of(Settings(data_dir=folder)) | {"COLUMNS": "200"},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            url = ""
            while not url:
                line = (await process.stdout.readline()).decode()
                assert line, (await process.communicate())[1].decode()
                if "GraphiQL" in line:
                    url = next(word for word in line.split() if word.startswith("http")).rstrip("/")
            await until_ready(url)
        yield process, url
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(LIMIT_SECONDS):
                await process.communicate()


async def until_ready(url: str) -> None:
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def processes_of(folder: Path) -> list[int]:
    """The processes that work in or below the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


async def ask(url: str, query: str, token: str | None = None) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer: dict[str, Any] = (await client.post(f"{url}/graphql", json={"query": query}, headers=headers)).json()
        return answer


@pytest.mark.slow
async def test_dev_serves_on_its_own_servers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        async with dev(tmp_path, port) as (process, url):
            assert not url.endswith(f":{port}"), "a port that is taken is left alone"
            assert (await ask(url, "{ __typename }"))["data"] == {"__typename": "Query"}
            async with httpx.AsyncClient() as client:
                page = await client.get(url)
            assert page.status_code == 200
            assert "text/html" in page.headers["content-type"]
            assert len(processes_of(tmp_path)) >= 2

            code, out, _ = await tillstream("seed", "--products", "12", "--sales", "25", settings=Settings(data_dir=tmp_path))
            assert code == 0, out
            code, out, _ = await tillstream("verify", settings=Settings(data_dir=tmp_path))
            assert code == 0, out
            assert "Everything adds up: 1 accounts, 25 sales" in out
            code, out, _ = await tillstream("verify", "--files", settings=Settings(data_dir=tmp_path))
            assert code == 0, out
            assert "Everything fits together: 0 files, 0 objects" in out
            sign_in = 'mutation { signIn(input: {email: "demo@tillstream.example", password: "demo-password"}) { accessToken } }'
            token = (await ask(url, sign_in))["data"]["signIn"]["accessToken"]
            shop = (await ask(url, "{ products(first: 100) { nodes { name price category { name } } } }", token))["data"]
            assert len(shop["products"]["nodes"]) == 12
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(LIMIT_SECONDS):
                await process.communicate()
                while processes_of(tmp_path):
                    await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_dev_restarts_its_server_and_not_its_database_when_a_source_file_changes(tmp_path: Path) -> None:
    touched = ROOT / "gql" / "__init__.py"
    async with dev(tmp_path, 0) as (process, url):
        before = processes_of(tmp_path)
        touched.touch()
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            while "restarting" not in (await process.stdout.readline()).decode():
                pass
        assert (await ask(url, "{ __typename }"))["data"] == {"__typename": "Query"}
        assert set(before) <= set(processes_of(tmp_path))


@asynccontextmanager
async def forgetting_transactions(uri: str) -> AsyncIterator[None]:
    """A MongoDB that ends what a killed process left open after seconds, not after its minute."""
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        before = await client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": 8})
        try:
            yield
        finally:
            await client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": before["was"]})


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.slow
async def test_the_note_of_a_dev_that_was_killed_leads_to_no_other_database(settings: Settings, tmp_path: Path, *, damaged: bool) -> None:
    """The address of its MongoDB, which is the usual one, is another project's by now; or the power failed as it was written."""
    note = json.dumps({"mongodb_uri": settings.mongodb_uri, "s3_endpoint": settings.s3_endpoint})
    (tmp_path / RUNNING).write_text("" if damaged else note, encoding="utf-8")
    with (tmp_path / RUNNING).open(encoding="utf-8") as looked_at:
        assert take_lock(looked_at.fileno(), shared=True), "as another command does that looks at the same moment"
        code, _, err = await tillstream("migrate", settings=Settings(data_dir=tmp_path, mongodb_database="of_another_project"))
    assert code == 0, err
    database = await Database.connect(settings.mongodb_uri or "", "of_another_project")
    assert (await database.command({"listCollections": 1, "nameOnly": True}))["cursor"]["firstBatch"] == []
    await database.close()


@pytest.mark.slow
async def test_migrate_changes_nothing_the_second_time(settings: Settings) -> None:
    fresh = settings.model_copy(update={"mongodb_database": "migrated_by_command"})
    code, out, _ = await tillstream("migrate", settings=fresh)
    assert code == 0
    assert "products: collection made" in out
    code, out, _ = await tillstream("migrate", settings=fresh)
    assert code == 0
    assert "nothing was changed" in out


@pytest.mark.slow
async def test_seed_fills_the_shop_up_and_verify_names_what_is_broken(settings: Settings) -> None:
    seeded = settings.model_copy(update={"mongodb_database": "seeded_by_command"})
    options = ("--products", "10", "--months", "1", "--until", "2026-10-31")
    for sales, added in (("20", "10 products and 20 sales"), ("20", "0 products and 0 sales"), ("30", "0 products and 10 sales")):
        code, out, err = await tillstream("seed", *options, "--sales", sales, settings=seeded)
        assert code == 0, err
        assert f"{added} were added" in out
    code, out, _ = await tillstream("verify", settings=seeded)
    assert code == 0
    assert "Everything adds up: 1 accounts, 30 sales" in out

    database = await Database.connect(settings.mongodb_uri or "", "seeded_by_command")
    reply = await database.command({"findAndModify": "sales", "query": {"number": 30}, "update": {"$inc": {"total_minor": 1}}})
    await database.close()
    sale = reply["value"]
    for arguments in (("verify",), ("verify", "--account", sale["account_id"])):
        code, out, _ = await tillstream(*arguments, settings=seeded)
        assert code == 1
        assert f"sale {sale['_id']}: total_minor is {sale['total_minor'] + 1}, but its items make {sale['total_minor']}" in out
        assert "findings: 1 accounts, 30 sales" in out


@pytest.mark.slow
async def test_a_seed_that_is_killed_leaves_true_books_and_goes_on(settings: Settings) -> None:
    killed = settings.model_copy(update={"mongodb_database": "killed_seed"})
    arguments = ("seed", "--products", "20", "--sales", "1200", "--months", "1", "--until", "2026-10-31")
    async with forgetting_transactions(settings.mongodb_uri or ""):
        await run_until_it_has_sold(killed, *arguments)
        code, out, _ = await tillstream("verify", settings=killed)
        assert code == 0, out
        assert "1 accounts, 1,200 sales" not in out
        code, out, err = await tillstream(*arguments, settings=killed)
        assert code == 0, err
    code, out, _ = await tillstream("verify", settings=killed)
    assert code == 0, out
    assert "Everything adds up: 1 accounts, 1,200 sales" in out


async def run_until_it_has_sold(settings: Settings, *arguments: str) -> None:
    """Runs a command that seeds, and kills it when the first sales are there."""
    seeding = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", *arguments), stdout=DEVNULL, stderr=DEVNULL, cwd=ROOT, env=environment_of(settings)
    )
    database = await Database.connect(settings.mongodb_uri or "", settings.mongodb_database)
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await database.command({"count": "sales"}))["n"] == 0:
            await asyncio.sleep(0.02)
        seeding.kill()
        await seeding.wait()
    await database.close()


async def test_schema_prints_the_committed_schema(settings: Settings) -> None:
    code, out, _ = await tillstream("schema", settings=settings)
    assert code == 0
    assert out == (ROOT / "schema.graphql").read_text(encoding="utf-8")


async def test_help_names_every_command(settings: Settings) -> None:
    code, out, _ = await tillstream("--help", settings=settings)
    assert code == 0
    for name in ("dev", "serve", "migrate", "schema", "seed", "verify"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "change", "said"),
    [
        (("serve",), {"mongodb_uri": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"}, "database"),
        (("serve",), {"s3_endpoint": "http://127.0.0.1:9"}, "file store"),
        (("serve",), {"env": "production"}, "TILLSTREAM_SECRET"),
        (("serve", "--port", "1", "--host", "203.0.113.1"), {}, "--port"),
        (("seed", "--until", "2999-01-01"), {}, "--until"),
        (("verify", "--account", "nobody"), {}, "--account"),
        (("verify", "--account", "acc_00000000000000000000000000"), {}, "no such account"),
        (("migrate",), {"mongodb_uri": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"}, "database"),
    ],
)
@pytest.mark.slow
async def test_an_error_is_one_line_that_says_the_mend(
    settings: Settings, arguments: tuple[str, ...], change: dict[str, Any], said: str
) -> None:
    code, _, err = await tillstream(*arguments, settings=settings.model_copy(update=change))
    assert code == 1
    complaint = [line for line in err.splitlines() if line.startswith("tillstream:")]
    assert len(complaint) == 1, err
    assert said in complaint[0]
    assert "Traceback" not in err
