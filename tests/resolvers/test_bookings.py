import logging
from dataclasses import replace

import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import UnavailableError
from datastore.turns import Turns
from resolvers.bookings import book_all_due
from resolvers.services import Services
from resolvers.verify import verify
from tests.datastore.failpoints import failing
from tests.gql.api import Api, Person
from tests.resolvers.clocks import clocked
from tests.resolvers.spending import SETTINGS, balance_of, listed, made, recur, spend

NOON = "2027-01-31T12:00:00"


async def test_each_business_is_booked_by_its_own_clock(database: Database, services: Services) -> None:
    api, clock = clocked(services, NOON)
    owners = {zone: await api.sign_up() for zone in ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago")}
    for zone, owner in owners.items():
        await made(api, owner, SETTINGS, input={"timeZone": zone})
        await recur(api, owner, "1.00", startsOn="2027-02-02")
    for moment, booked, expected in (
        ("2027-02-01T09:59:59", 0, ["0.00", "0.00", "0.00"]),
        ("2027-02-01T10:00:00", 1, ["-1.00", "0.00", "0.00"]),
        ("2027-02-02T10:59:59", 1, ["-1.00", "-1.00", "0.00"]),
        ("2027-02-02T11:00:00", 1, ["-1.00", "-1.00", "-1.00"]),
        ("2027-02-02T11:01:00", 0, ["-1.00", "-1.00", "-1.00"]),
    ):
        clock.set(moment)
        assert await book_all_due(api.services) == booked
        assert [await balance_of(api, owner) for owner in owners.values()] == expected
    assert (await verify(database)).findings == ()


async def test_what_is_booked_says_who_set_it_up(database: Database, services: Services) -> None:
    api, clock = clocked(services, NOON)
    owner = await api.sign_up()
    await recur(api, owner, startsOn="2027-02-01")
    clock.set("2027-02-01T00:00:00")
    await book_all_due(api.services)
    for field in ("expenses", "transactions"):
        assert await listed(api, owner, field, "recordedBy { userId }") == [{"recordedBy": {"userId": owner.user_id}}]


async def test_one_that_cannot_be_booked_holds_up_no_other(
    database: Database, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    api, clock = clocked(services, NOON)
    broken, sound = await api.sign_up(), await api.sign_up()
    for owner in (broken, sound):
        await recur(api, owner, "1.00")
        await recur(api, owner, "1.00", startsOn="2027-02-01")
    await spend(api, broken, incurredOn="2027-02-28")
    full = {"q": {"account_id": broken.account_id}, "u": {"$set": {"expenses_minor": 2**63 - 1}}, "multi": True}
    await database.command({"update": "summaries", "updates": [full]})
    clock.set("2027-02-28T00:00:00")
    with caplog.at_level(logging.ERROR):
        assert await book_all_due(api.services) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert broken.account_id in caplog.text
    assert await balance_of(api, sound) == "-3.00"


async def test_a_database_that_does_not_answer_is_said_and_tried_again(database: Database, services: Services, mongod: MongoServer) -> None:
    api, clock = clocked(services, NOON)
    owner = await api.sign_up()
    await recur(api, owner, "1.00", startsOn="2027-02-01")
    clock.set("2027-02-01T00:00:00")
    async with failing(mongod.uri, "find"):
        with pytest.raises(UnavailableError):
            await book_all_due(api.services)
    assert await book_all_due(api.services) == 1
    assert await balance_of(api, owner) == "-1.00"


async def two_with_something_due(services: Services) -> tuple[Api, Person, Person]:
    """Two businesses, in the order of a round."""
    api, clock = clocked(services, NOON)
    first, last = sorted([await api.sign_up(), await api.sign_up()], key=lambda owner: owner.account_id)
    for owner in (first, last):
        await recur(api, owner, "1.00", startsOn="2027-02-01")
    clock.set("2027-02-01T00:00:00")
    return api, first, last


async def test_a_busy_account_holds_up_no_other_and_is_booked_in_the_next_round(
    database: Database, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    api, busy, idle = await two_with_something_due(services)
    impatient = replace(api.services, turns=Turns(patience=0.01))
    async with impatient.turns.turn(busy.account_id):
        with caplog.at_level(logging.WARNING):
            assert await book_all_due(impatient) == 1
    assert [await balance_of(api, owner) for owner in (busy, idle)] == ["0.00", "-1.00"]
    assert [(record.levelname, busy.account_id in record.getMessage()) for record in caplog.records] == [("WARNING", True)]
    assert await book_all_due(impatient) == 1
    assert await balance_of(api, busy) == "-1.00"


async def test_a_time_zone_that_is_not_known_here_holds_up_no_other_account(
    database: Database, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    api, lost, sound = await two_with_something_due(services)
    zone = {"q": {"account_id": lost.account_id}, "u": {"$set": {"time_zone": "Europe/Nowhere"}}}
    await database.command({"update": "settings", "updates": [zone]})
    with caplog.at_level(logging.ERROR):
        assert await book_all_due(api.services) == 1
    assert await balance_of(api, sound) == "-1.00"
    assert lost.account_id in caplog.text


async def test_a_database_that_is_lost_on_the_way_ends_the_round(database: Database, services: Services, mongod: MongoServer) -> None:
    api, held, _ = await two_with_something_due(services)
    impatient = replace(api.services, turns=Turns(patience=0.01))
    async with impatient.turns.turn(held.account_id), failing(mongod.uri, "ping"):
        with pytest.raises(UnavailableError):
            await book_all_due(impatient)
    assert await book_all_due(impatient) == 2
