"""The command line, as a stranger uses it: child processes, real servers, nothing left behind."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from datastore.settings import Settings, environment_of
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
            assert await ask(url, "{ __typename }") == {"data": {"__typename": "Query"}}
            async with httpx.AsyncClient() as client:
                page = await client.get(url)
            assert page.status_code == 200
            assert "text/html" in page.headers["content-type"]
            assert len(processes_of(tmp_path)) >= 2

            code, out, _ = await tillstream("seed", "--products", "12", settings=Settings(data_dir=tmp_path))
            assert code == 0, out
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
        assert await ask(url, "{ __typename }") == {"data": {"__typename": "Query"}}
        assert set(before) <= set(processes_of(tmp_path))


async def test_migrate_changes_nothing_the_second_time(settings: Settings) -> None:
    fresh = settings.model_copy(update={"mongodb_database": "migrated_by_command"})
    code, out, _ = await tillstream("migrate", settings=fresh)
    assert code == 0
    assert "products: collection made" in out
    code, out, _ = await tillstream("migrate", settings=fresh)
    assert code == 0
    assert "nothing was changed" in out


async def test_schema_prints_the_committed_schema(settings: Settings) -> None:
    code, out, _ = await tillstream("schema", settings=settings)
    assert code == 0
    assert out == (ROOT / "schema.graphql").read_text(encoding="utf-8")


async def test_help_names_every_command(settings: Settings) -> None:
    code, out, _ = await tillstream("--help", settings=settings)
    assert code == 0
    for name in ("dev", "serve", "migrate", "schema", "seed"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "change", "said"),
    [
        (("serve",), {"mongodb_uri": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"}, "database"),
        (("serve",), {"s3_endpoint": "http://127.0.0.1:9"}, "file store"),
        (("serve",), {"env": "production"}, "TILLSTREAM_SECRET"),
        (("serve", "--port", "1", "--host", "203.0.113.1"), {}, "--port"),
        (("migrate",), {"mongodb_uri": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"}, "database"),
    ],
)
async def test_an_error_is_one_line_that_says_the_mend(
    settings: Settings, arguments: tuple[str, ...], change: dict[str, Any], said: str
) -> None:
    code, _, err = await tillstream(*arguments, settings=settings.model_copy(update=change))
    assert code == 1
    complaint = [line for line in err.splitlines() if line.startswith("tillstream:")]
    assert len(complaint) == 1, err
    assert said in complaint[0]
    assert "Traceback" not in err
