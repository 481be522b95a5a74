"""Webhooks of one business with 16 tills: what they cost the tills, and how soon a receiver is told, also while others hang or are slow.

The rounds without endpoints, with one that answers at once, and with two more (one hangs, one takes 50 ms) follow each other on one server.
Every sale must have been told once it is over.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson

from bench.stack import Stack, running_stack
from bench.table import print_table
from bench.tills import TILLS, Shop, shop, trade

CREATE = 'mutation ($url: String!) { createWebhookEndpoint(input: {url: $url, events: ["sale.created"]}) { endpoint { id } } }'
SALES_EACH = 40
LIMIT_SECONDS = 60
SLOW_SECONDS = 0.05


@dataclass
class Taken:
    """What a receiver was told."""

    url: str = ""
    arrived: set[str] = field(default_factory=set)
    """The sales that it was told of."""
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, id: str) -> None:
        """Notes that it was told of a sale."""
        async with self._told:
            self.arrived.add(id)
            self._told.notify_all()

    async def until(self, count: int) -> None:
        """Waits until it was told of so many."""
        async with self._told:
            await self._told.wait_for(lambda: len(self.arrived) >= count)


@asynccontextmanager
async def receiver(pause: float | None = 0.0) -> AsyncGenerator[Taken, None]:
    """A receiver that answers after a pause; None: never."""
    taken = Taken()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                message = orjson.loads(await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0])))
                await taken.take(message["data"]["id"])
                if pause is None:
                    await reader.read(1)
                    break
                await asyncio.sleep(pause)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    taken.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield taken
    finally:
        server.close()


async def measured(stack: Stack, business: Shop, name: str, watched: Taken | None, sales: int) -> list[str]:
    """A round of trade as a row of the table; it is over when the watched receiver was told of all of it."""
    before = 0 if watched is None else len(watched.arrived)
    begun = time.perf_counter()
    counted = await trade(stack, [business] * TILLS, sales)
    row = counted.row(name)[:5]
    if watched is None:
        return [*row, "", ""]
    sold = time.perf_counter()
    async with asyncio.timeout(LIMIT_SECONDS):
        await watched.until(before + TILLS * sales)
    behind = time.perf_counter() - sold
    return [*row, f"{TILLS * sales / (time.perf_counter() - begun):.0f}", f"{behind * 1e3:.0f}"]


async def one_sale(business: Shop, watched: Taken, count: int) -> str:
    """How long after the answer to a lone sale the receiver is told of it, in milliseconds: the median."""
    waits: list[float] = []
    for _ in range(count):
        before = len(watched.arrived)
        await trade_one(business)
        answered = time.perf_counter()
        async with asyncio.timeout(LIMIT_SECONDS):
            await watched.until(before + 1)
        waits.append(time.perf_counter() - answered)
    return f"{statistics.median(waits) * 1e3:.1f}"


async def trade_one(business: Shop) -> None:
    """One sale."""
    items = [{"productId": id, "quantity": 1} for id in business.product_ids[:3]]
    document = "mutation ($input: RecordSaleInput!) { recordSale(input: $input) { id } }"
    await business.person.ask(document, input={"items": items, "paymentMethod": "CARD"})


async def run(stack: Stack, sales: int) -> None:
    """Measures and prints."""
    rows: list[Sequence[str]] = []
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=TILLS + 1)))
        good, hanging, slow = [await opened.enter_async_context(receiver(pause)) for pause in (0.0, None, SLOW_SECONDS)]
        business = await shop(http, stack.url)
        await trade(stack, [business] * TILLS, 5)  # warm
        rows.append(await measured(stack, business, "without endpoints", None, sales))
        await business.person.ask(CREATE, url=good.url)
        rows.append(await measured(stack, business, "one that answers at once", good, sales))
        lone = await one_sale(business, good, 20)
        for other in (hanging, slow):
            await business.person.ask(CREATE, url=other.url)
        rows.append(await measured(stack, business, "and one that hangs, and one that takes 50 ms", good, sales))
    columns = ["endpoints", "sales", "sales/s", "p50 (ms)", "p99 (ms)", "told/s", "last told after the last sale (ms)"]
    print_table(f"Webhooks of one business with {TILLS} tills; a lone sale is told {lone} ms after its answer", columns, rows)


async def main(sales: int) -> None:
    """Runs on a server of its own."""
    async with running_stack(webhook_allow_private=True) as stack:
        await run(stack, sales)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    options.add_argument("--sales", type=int, default=SALES_EACH, help="of each till in each round")
    asyncio.run(main(options.parse_args().sales))
