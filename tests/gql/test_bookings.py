import asyncio
import logging

import httpx
import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from gql.app import create_app
from gql.bookings import open_bookings
from gql.service import GraphQLService
from resolvers.services import Services
from tests.datastore.failpoints import failing
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.resolvers.clocks import Clock, clocked
from tests.resolvers.spending import balance_of, recur

Shop = tuple[Api, Clock, Person]


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    """A business with an expense of 1 a week, for which the next day has come."""
    api, clock = clocked(services, "2027-02-01T12:00:00")
    owner = await api.sign_up()
    await recur(api, owner, "1.00", "WEEKLY")
    clock.set("2027-02-08T00:00:00")
    return api, clock, owner


async def until_balance(api: Api, owner: Person, balance: str) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while await balance_of(api, owner) != balance:
            await asyncio.sleep(0.01)


async def test_what_was_due_while_no_process_ran_is_booked_when_one_starts(shop: Shop) -> None:
    api, _, owner = shop
    assert await balance_of(api, owner) == "-1.00"
    async with open_bookings(api.services, interval=3600):
        await until_balance(api, owner, "-2.00")


async def test_what_falls_due_is_booked_while_a_process_runs(shop: Shop) -> None:
    api, clock, owner = shop
    async with open_bookings(api.services, interval=0.01) as bookings:
        await until_balance(api, owner, "-2.00")
        clock.set("2027-02-15T00:00:00")
        await until_balance(api, owner, "-3.00")
        assert bookings.alive
    assert await balance_of(api, owner) == "-3.00", "each is booked once, however often the task looks"


@pytest.mark.slow
async def test_it_goes_on_when_the_database_was_away(shop: Shop, mongod: MongoServer, caplog: pytest.LogCaptureFixture) -> None:
    api, clock, owner = shop
    with caplog.at_level(logging.WARNING):
        async with open_bookings(api.services, interval=0.01):
            async with failing(mongod.uri, "find"), asyncio.timeout(LIMIT_SECONDS):
                clock.set("2027-02-15T00:00:00")
                while "could not be booked" not in caplog.text:
                    await asyncio.sleep(0.01)
            await until_balance(api, owner, "-3.00")


async def test_it_ends_when_it_is_told_to(shop: Shop) -> None:
    api, _, _ = shop
    async with open_bookings(api.services, interval=3600) as bookings:
        states = [bookings.alive]
    assert [*states, bookings.alive] == [True, False]
    assert "bookings" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_one_that_has_died_takes_the_readiness_of_the_process_with_it(
    service: GraphQLService, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    broken = clocked(services, "2027-02-08T00:00:00")[0].services
    async with open_bookings(broken, interval=0.01) as bookings:
        app = create_app(service, services, {"bookings": lambda: bookings.alive})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://till") as client:
            ready = (await client.get("/readyz")).json()
            assert ready == {"ready": True, "checks": {"database": True, "files": True, "live": True, "bookings": True}}
            with caplog.at_level(logging.ERROR):
                object.__setattr__(broken, "clock", None)  # what nobody thought of
                async with asyncio.timeout(LIMIT_SECONDS):
                    while bookings.alive:
                        await asyncio.sleep(0.01)
            response = await client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["bookings"]) == (503, False)
    assert "no longer ready" in caplog.text
