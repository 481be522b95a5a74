"""The program in README.md that goes through files, mail, payments and other programs: run as it stands there, against a real server."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from datastore.database import Database
from datastore.migrate import migrate
from datastore.settings import Settings, environment_of
from gql.serving import bind
from tests.receivers import Receiver, receiving
from tests.stripe_server import SECRET_KEY, LocalStripe

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 60


def program() -> str:
    """All Python of the section, as one."""
    section = re.search(
        r"^## Files, mail, money and other programs\n(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert section is not None
    return "\n".join(re.findall(r"```python\n(.*?)```", section[1], re.DOTALL))


@pytest.fixture
async def server(settings: Settings, stripe: LocalStripe, tmp_path: Path) -> AsyncIterator[str]:
    """A server as people start one, on a database of its own; where it answers."""
    changes = {
        "env": "dev",
        "data_dir": tmp_path,
        "mongodb_database": f"{settings.mongodb_database}_readme",
        "stripe_secret_key": SecretStr(SECRET_KEY),
        "stripe_api_base": stripe.url,
        "stripe_publishable_key": "pk_test_loopback",
        "webhook_allow_private": True,
        "log_level": "WARNING",
    }
    own = settings.model_copy(update=changes)
    assert own.mongodb_uri is not None
    database = await Database.connect(own.mongodb_uri, own.mongodb_database)
    await migrate(database)
    with bind("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "gql.command", "serve", "--fd", str(listening.fileno())]
        process = await asyncio.create_subprocess_exec(*command, env=environment_of(own), pass_fds=[listening.fileno()], cwd=ROOT)
        async with asyncio.timeout(LIMIT_SECONDS), httpx.AsyncClient(timeout=LIMIT_SECONDS) as client:
            while (await client.get(f"{url}/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
        yield url
        process.terminate()
        await process.wait()
    await database.command({"dropDatabase": 1})
    await database.close()


@pytest.mark.slow
async def test_the_program_of_the_readme_runs_as_it_is_written(server: str, stripe: LocalStripe) -> None:
    await stripe.register(f"{server}/webhooks/stripe")
    loop = asyncio.get_running_loop()
    async with receiving() as books:
        code = program().replace("http://127.0.0.1:8000", server).replace("https://books.example.org/till", books.url)

        def pay(client_secret: str) -> None:
            assert asyncio.run_coroutine_threadsafe(stripe.pay(client_secret), loop).result(LIMIT_SECONDS) == 200

        named: dict[str, Any] = {"hand_to_browser": pay}
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await asyncio.to_thread(exec, compile(code, "README.md", "exec"), named)
        finally:
            for client in [named[name] for name in ("client", "program") if name in named]:
                client.close()
        assert named["shown"]["sale"]["paymentStatus"] == "PAID"
        await books.until(lambda: bool(books.received))
        await _is_signed(books, named["secret"])


async def _is_signed(books: Receiver, secret: str) -> None:
    first = books.received[0]
    message = Webhook(secret).verify(first.body, first.headers)
    assert message["type"] == "sale.created"
