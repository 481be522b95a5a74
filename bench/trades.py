"""Businesses with much trade behind them, made in bulk as `tillstream seed` makes them."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx

from bench.stack import PASSWORD, Person, Stack
from gql.app import open_services
from resolvers.demo import enter_demo_shop, fill_demo_shop, trade_in_demo_shop
from resolvers.services import Services

MONTHS = 12
"""Over which every business spreads its sales, so that a day has a thousand times as many in one as in another."""

PRODUCTS = 200
SIGN_IN = "mutation ($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) { accessToken } }"


@dataclass(frozen=True, slots=True)
class Business:
    """A business, how many sales it has made, and how many of them a second were seeded."""

    email: str
    account_id: str
    sales: int
    seeded_a_second: float

    async def sign_in(self, http: httpx.AsyncClient, stack: Stack) -> Person:
        """Its owner, signed in for a quarter of an hour: the next business may take longer to seed than that."""
        nobody = Person(http, stack.url, "")
        token = (await nobody.ask(SIGN_IN, email=self.email, password=PASSWORD))["data"]["signIn"]["accessToken"]
        return Person(http, stack.url, token)


@asynccontextmanager
async def services_of(stack: Stack) -> AsyncGenerator[Services, None]:
    """What functions of the business need, beside the server, on its database."""
    async with open_services(stack.settings) as services:
        yield services


async def business(services: Services, sales: int) -> Business:
    """A business that has made so many sales up to yesterday."""
    email = f"{sales}-{time.time_ns()}@bench.example"
    await fill_demo_shop(services, products=PRODUCTS, email=email, password=PASSWORD, progress=lambda _: None)
    scope = await enter_demo_shop(services, email, PASSWORD)
    begun, last_day = time.perf_counter(), services.clock().date() - timedelta(days=1)
    await trade_in_demo_shop(services, scope, sales=sales, months=MONTHS, last_day=last_day, progress=lambda done: _say(done, sales))
    rate = sales / (time.perf_counter() - begun)
    return Business(email, scope.account_id, sales, rate)


def _say(done: int, sales: int) -> None:
    if sales >= 50_000 and done % 50_000 == 0:
        print(f"… {done:,} of {sales:,} sales are there", flush=True)
