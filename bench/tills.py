"""Sales of three items over HTTP: by one till alone, by 16 tills of one business at once, and by 16 of as many businesses.

Afterwards no number may be missing or double, and everything must add up. What the sums of the dashboard cost is what the same tills gain
on a server that leaves them out (`bench.untallied_server`).
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from pymongo import AsyncMongoClient

from bench.stack import Person, Stack, served
from bench.table import print_table
from bench.trades import services_of
from resolvers.verify import verify

TILLS = 16
SALES_EACH = 40
ROUNDS = 3
PRODUCTS = 50
VIEWER = "{ viewer { account { id } } }"
CREATE = 'mutation ($name: String!) { createProduct(input: {name: $name, price: "2.50", cost: "1.00", stock: 1000000}) { id } }'
RECORD = "mutation ($input: RecordSaleInput!) { recordSale(input: $input) { number total } }"


@dataclass
class Counted:
    """What some tills did: the seconds that each sale took, and in all; the transactions that had to be run again."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    reruns: int = 0

    def add(self, other: "Counted") -> None:
        """Takes in another round."""
        self.latencies += other.latencies
        self.seconds += other.seconds
        self.reruns += other.reruns

    @property
    def rate(self) -> float:
        """Sales a second."""
        return len(self.latencies) / self.seconds

    def row(self, name: str) -> list[str]:
        """For the table."""
        p50, p99 = statistics.median(self.latencies), statistics.quantiles(self.latencies, n=100)[98]
        return [name, f"{len(self.latencies):,}", f"{self.rate:.0f}", f"{p50 * 1e3:.1f}", f"{p99 * 1e3:.1f}", f"{self.reruns:,}"]


@dataclass
class Shop:
    """A business with shelves that do not run out."""

    person: Person
    account_id: str
    product_ids: Sequence[str]
    numbers: list[int] = field(default_factory=list)
    """Of the sales that it was told of."""


COLUMNS = ["", "sales", "sales/s", "p50 (ms)", "p99 (ms)", "run again"]


async def run(stack: Stack, _largest: int) -> None:
    """Measures and prints the tills, and checks the books behind them."""
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=TILLS + 1)) as http:
        shops = [await shop(http, stack.url) for _ in range(TILLS)]
        shared, alone = await shop(http, stack.url), Counted()
        one, many = Counted(), Counted()
        await trade(stack, shops[:1], 10)  # warm
        alone.add(await trade(stack, [await shop(http, stack.url)], 200))
        for _ in range(ROUNDS):
            many.add(await trade(stack, shops, SALES_EACH))
            one.add(await trade(stack, [shared] * TILLS, SALES_EACH))
    rows = [alone.row("one till alone"), many.row(f"{TILLS} tills of {TILLS} businesses"), one.row(f"{TILLS} tills of one business")]
    rows.append(["ratio of the rates (goal: at least 0.6)", "", f"{one.rate / many.rate:.2f}", "", "", ""])
    await check(stack, [*shops, shared])
    rows.append(["no sale lost, no number missing or double, everything adds up", "", "", "", "", ""])
    print_table("recordSale of 3 items over HTTP", COLUMNS, rows)


async def run_without_sums(stack: Stack, _largest: int) -> None:
    """Measures and prints what the sums cost: two servers on one database take turns."""
    limits = httpx.Limits(max_connections=TILLS + 1)
    async with served(stack.settings, "bench.untallied_server") as untallied, httpx.AsyncClient(timeout=60, limits=limits) as http:
        servers = {"with the sums of the dashboard": stack, "without": untallied}
        shops = {name: await shop(http, server.url) for name, server in servers.items()}
        counted = {name: Counted() for name in servers}
        for number in range(ROUNDS + 1):
            for name, server in servers.items():
                some = await trade(server, [shops[name]] * TILLS, SALES_EACH)
                if number:  # the first warms
                    counted[name].add(some)
    rows = [one.row(name) for name, one in counted.items()]
    with_sums, without = (one.rate for one in counted.values())
    rows.append(["ratio of the rates", "", f"{with_sums / without:.2f}", "", "", ""])
    print_table(f"{TILLS} tills of one business", COLUMNS, rows)


async def shop(http: httpx.AsyncClient, url: str) -> Shop:
    """A new business."""
    person = await Person.sign_up(http, url)
    account_id = (await person.ask(VIEWER))["data"]["viewer"]["account"]["id"]
    made = [await person.ask(CREATE, name=f"product {number:02}") for number in range(PRODUCTS)]
    return Shop(person, account_id, [answer["data"]["createProduct"]["id"] for answer in made])


async def trade(stack: Stack, shops: Sequence[Shop], sales: int) -> Counted:
    """A till for each of the shops, that many sales one after the other at each."""
    counted, before = Counted(), await _aborted(stack)
    begun = time.perf_counter()
    await asyncio.gather(*(_sell(one, sales, random.Random(number), counted) for number, one in enumerate(shops)))
    counted.seconds = time.perf_counter() - begun
    counted.reruns = await _aborted(stack) - before
    return counted


async def _sell(shop: Shop, sales: int, chosen: random.Random, counted: Counted) -> None:
    for _ in range(sales):
        items = [{"productId": id, "quantity": chosen.randint(1, 3)} for id in chosen.sample(shop.product_ids, 3)]
        begun = time.perf_counter()
        answer = await shop.person.ask(RECORD, input={"items": items, "paymentMethod": "CARD"})
        counted.latencies.append(time.perf_counter() - begun)
        shop.numbers.append(answer["data"]["recordSale"]["number"])


async def check(stack: Stack, shops: Sequence[Shop]) -> None:
    """Raises RuntimeError where a number is missing or double, or something does not add up."""
    async with services_of(stack) as services:
        for one in shops:
            if sorted(one.numbers) != list(range(1, len(one.numbers) + 1)):
                raise RuntimeError(f"the numbers of account {one.account_id} have a gap or a double")
            found = await verify(services.database, one.account_id)
            if found.findings or found.sales != len(one.numbers):
                raise RuntimeError(f"{found.sales} sales are stored of {len(one.numbers)}; {found.findings}")


async def _aborted(stack: Stack) -> int:
    """How many transactions MongoDB has given up so far: each was run again."""
    async with AsyncMongoClient[dict[str, object]](stack.database[0]) as client:
        status = await client.admin.command("serverStatus")
    return int(status["transactions"]["totalAborted"])
