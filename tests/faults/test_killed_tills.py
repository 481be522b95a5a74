"""A server that is killed in the middle of a day's trade: every sale that was ordered is in the books once, and no number is missing."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from datastore.database import Database
from datastore.settings import Settings, environment_of
from gql.serving import bind
from resolvers.verify import verify
from tests.gql.api import PASSWORD

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 300
SALES = 1000
TILLS = 8
KILLS = 3

SIGN_UP = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken } }"
CREATE_PRODUCT = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id } }"
RECORD_SALE = "mutation ($input: RecordSaleInput!) { recordSale(input: $input) { number } }"
WHAT_IS_LEFT = "{ products(first: 10) { nodes { stock } } sales(first: 1) { nodes { number } } dashboard(preset: TODAY) { salesCount } }"

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]


class Till:
    """A client that does not give up, and never orders the same sale twice."""

    def __init__(self, client: httpx.AsyncClient, token: str = "") -> None:
        self._client = client
        self._token = token

    async def ask(self, query: str, variables: dict[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """The data of an operation, tried again while nobody answers."""
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        headers |= {"idempotency-key": key} if key else {}
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    answer = (await self._client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)).json()
                    if "errors" not in answer:
                        data: dict[str, Any] = answer["data"]
                        return data
                    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}, answer
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(settings: Settings, listening: socket.socket) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tillstream serve` on a socket that outlives it, so that no client is refused while it is started again."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", "serve", "--fd", str(listening.fileno())),
        pass_fds=(listening.fileno(),),
        cwd=ROOT,
        env=environment_of(settings),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.usefixtures("impatient_mongod")
async def test_a_server_killed_in_the_middle_of_1000_sales_loses_and_doubles_none(database: Database, settings: Settings) -> None:
    with bind("127.0.0.1", 0) as listening:
        os.set_inheritable(listening.fileno(), True)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        limits = httpx.Limits(max_connections=2 * TILLS, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as client:
            await _trade_and_kill(client, settings, listening)
    findings = (await verify(database)).findings
    assert findings == (), findings


async def _trade_and_kill(client: httpx.AsyncClient, settings: Settings, listening: socket.socket) -> None:
    sold: list[int] = []
    orders = iter(range(SALES))
    selling: list[asyncio.Task[None]] = []
    till, left = Till(client), dict[str, Any]()
    for kill in range(KILLS + 1):
        async with serving(settings, listening), asyncio.timeout(LIMIT_SECONDS):
            if not selling:
                till = await _open_shop(till, client)
                product = await till.ask(CREATE_PRODUCT, {"input": {"name": "Bun", "price": "1.10", "cost": "0.40", "stock": SALES + 5}})
                selling = [asyncio.create_task(_sell(till, product["createProduct"]["id"], orders, sold)) for _ in range(TILLS)]
            while len(sold) < SALES * (kill + 1) / (KILLS + 1):
                await asyncio.sleep(0.01)
            if kill == KILLS:
                await asyncio.gather(*selling)
                left = await till.ask(WHAT_IS_LEFT)
    assert sorted(sold) == list(range(1, SALES + 1))
    assert left["products"]["nodes"] == [{"stock": 5}]
    assert left["sales"]["nodes"] == [{"number": SALES}]
    assert left["dashboard"]["salesCount"] == SALES


async def _open_shop(till: Till, client: httpx.AsyncClient) -> Till:
    """Signed in at a business of its own."""
    person = {"email": "baker@faults.example", "password": PASSWORD, "name": "Baker"}
    session = (await till.ask(SIGN_UP, {"input": person}))["signUp"]
    return Till(client, session["accessToken"])


async def _sell(till: Till, product_id: str, orders: Iterator[int], sold: list[int]) -> None:
    for order in orders:
        items = [{"productId": product_id, "quantity": 1}]
        made = await till.ask(RECORD_SALE, {"input": {"items": items, "paymentMethod": "CASH"}}, key=f"order-{order}")
        sold.append(made["recordSale"]["number"])
