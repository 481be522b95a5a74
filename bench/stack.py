"""A whole Tillstream for a benchmark: embedded servers and one server process, on loopback, in a folder that is gone afterwards."""

import asyncio
import json
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from datastore.database import Database
from datastore.embedded import servers
from datastore.migrate import migrate
from datastore.settings import Settings, environment_of
from gql.serving import bind

READY_SECONDS = 30
PASSWORD = "a benchmark's password"


@dataclass(frozen=True)
class Stack:
    """A running server, and the settings that reach its MongoDB."""

    url: str
    settings: Settings
    pid: int

    @property
    def database(self) -> tuple[str, str]:
        """The address of its MongoDB, and the database's name."""
        return self.settings.mongodb_uri or "", self.settings.mongodb_database

    @property
    def socket_url(self) -> str:
        """Where its websockets are."""
        return self.url.replace("http", "ws", 1) + "/graphql"


@asynccontextmanager
async def running_stack(
    *, max_live_per_user: int = 1_000, webhook_allow_private: bool = False, job_slots: int = 8
) -> AsyncGenerator[Stack, None]:
    """Starts everything, and stops it."""
    with tempfile.TemporaryDirectory(prefix="tillstream-bench-") as folder:
        wanted = Settings(
            env="test",
            data_dir=Path(folder),
            max_live_per_user=max_live_per_user,
            webhook_allow_private=webhook_allow_private,
            job_slots=job_slots,
            address_limits=0,
            max_cost_per_minute=10**12,
            max_key_requests_per_minute=10**9,
        )
        async with servers(wanted) as settings:
            database = await Database.connect(settings.mongodb_uri or "", settings.mongodb_database)
            await migrate(database)
            await database.close()
            async with served(settings) as stack:
                yield stack


@asynccontextmanager
async def served(settings: Settings, module: str = "gql.command") -> AsyncGenerator[Stack, None]:
    """A server process on servers that run already; another program than ours, if it understands the same command."""
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, "serve", "--fd", str(listening.fileno())),
            env=environment_of(settings) | {"TILLSTREAM_LOG_LEVEL": "WARNING"},
            pass_fds=[listening.fileno()],
        )
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_ready(url)
        yield Stack(url, settings, process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


class Person:
    """Somebody signed in, with one HTTP connection that is kept."""

    def __init__(self, client: httpx.AsyncClient, url: str, token: str) -> None:
        self._client = client
        self._url = f"{url}/graphql"
        self.token = token

    @classmethod
    async def sign_up(cls, client: httpx.AsyncClient, url: str) -> "Person":
        """A new person with a business of their own."""
        person = cls(client, url, "")
        document = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken } }"
        answer = await person.ask(document, input={"email": f"{uuid.uuid4().hex}@bench.example", "password": PASSWORD, "name": "Bench"})
        person.token = answer["data"]["signUp"]["accessToken"]
        return person

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """One request; raises RuntimeError where it is answered with errors."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        response = await self._client.post(self._url, json={"query": document, "variables": variables}, headers=headers)
        answer: dict[str, Any] = response.json()
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return answer


@asynccontextmanager
async def live_socket(stack: Stack, token: str) -> AsyncGenerator[ClientConnection, None]:
    """A websocket that has been acknowledged."""
    async with connect(stack.socket_url, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        while json.loads(await socket.recv())["type"] != "connection_ack":
            pass
        yield socket


async def engine_figures(stack: Stack) -> dict[str, float]:
    """What the server's live engine has done, by the names of `/metrics` without their prefix and suffix."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{stack.url}/metrics")).text
    lines = (line.split(" ") for line in text.splitlines() if line.startswith("tillstream_live_"))
    return {name.removeprefix("tillstream_live_").removesuffix("_total"): float(value) for name, value in lines}


async def next_result(socket: ClientConnection) -> dict[str, Any]:
    """The next live result of the socket's one operation."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "next":
            payload: dict[str, Any] = message["payload"]
            return payload
        if message["type"] == "ping":
            await socket.send('{"type":"pong"}')
