"""From changes to deliveries: nothing missed, nothing twice, whichever process leads."""

import asyncio
from datetime import timedelta

import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.ids import new_id
from datastore.webhook_feed import WebhookLead
from resolvers.services import Services
from resolvers.webhook_dispatch import Dispatcher
from tests.datastore.failpoints import failing
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.receivers import Receiver
from tests.resolvers.clocks import Clock
from tests.resolvers.conftest import contents
from tests.resolvers.hooks import TEST, deliveries, make_endpoint, open_to_all, sending, until_logged
from tests.resolvers.shop import UPDATE_PRODUCT, make_category, make_product
from tests.resolvers.till import line, sell

Shop = tuple[Api, Clock, Person]
DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    api, clock = open_to_all(services)
    return api, clock, await api.sign_up()


def events(receiver: Receiver) -> list[tuple[str, str]]:
    return [each.about for each in receiver.received]


async def test_what_changes_before_any_process_has_ever_sent_webhooks_is_told_by_the_first(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    await make_endpoint(api, owner, receiver.url, "product.*")
    made = await make_product(api, owner)
    async with sending(api.services):
        await receiver.count(1)
    assert events(receiver) == [("product.created", made["id"])]


@pytest.mark.parametrize("asked_for_by_name", [1000, 0])
async def test_an_endpoint_is_told_of_its_own_business_from_its_making_on(
    shop: Shop, receiver: Receiver, asked_for_by_name: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastore.webhook_feed.MOST_ACCOUNTS", asked_for_by_name)
    api, _, owner = shop
    stranger = await api.sign_up()
    async with sending(api.services):
        before = await make_product(api, owner, "Before")
        await make_endpoint(api, owner, receiver.url, "product.*")
        await make_product(api, stranger, "Another's")
        await make_category(api, owner, "Not asked for")
        made = await make_product(api, owner, "Made")
        await api.data(UPDATE_PRODUCT, {"input": {"id": made["id"], "name": "New", "price": "1.00"}}, caller=owner)
        await receiver.count(2)
        await api.data(DELETE, {"id": before["id"]}, caller=owner)
        await receiver.count(3)
    assert events(receiver) == [("product.created", made["id"]), ("product.updated", made["id"]), ("product.deleted", before["id"])]
    created, updated, deleted = [each.message["data"] for each in receiver.received]
    assert (created["operation"], updated["operation"], deleted["operation"]) == ("INSERT", "UPDATE", "DELETE")
    assert {"name", "price"} <= set(updated["changedFields"])
    assert updated["row"]["name"] == "New"
    assert "row" not in deleted


async def test_a_sale_is_told_with_its_items_and_other_rows_by_their_ids(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    product = await make_product(api, owner, stock=5)
    await make_endpoint(api, owner, receiver.url, "sale.created", "stock_movement.*", "transaction.created")
    async with sending(api.services):
        sale = await sell(api, owner, line(product, 2))
        await receiver.count(3)
    told = {each.message["type"]: each.message["data"] for each in receiver.received}
    assert told["sale.created"]["row"]["items"][0]["productId"] == product["id"]
    assert (told["sale.created"]["id"], told["sale.created"]["row"]["total"]) == (sale["id"], sale["total"])
    assert "row" not in told["transaction.created"]
    assert len({data["version"] for data in told.values()}) == 1


async def test_what_changed_while_no_process_ran_is_told_when_one_does(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    async with sending(api.services):
        endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
        await make_product(api, owner, "First")
        await receiver.count(1)
    made = [await make_product(api, owner, f"Tea {number}") for number in range(3)]
    assert len(await deliveries(api, owner, endpoint["id"])) == 1
    async with sending(api.services):
        await receiver.count(4)
        await until_logged(api, owner, endpoint["id"], lambda log: [each["status"] for each in log] == ["DELIVERED"] * 4)
    assert sorted(events(receiver)[1:]) == sorted(("product.created", product["id"]) for product in made)


async def test_another_process_takes_over_where_the_one_that_led_has_died(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, clock, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    receiver.answer = lambda _: None
    with monkeypatch.context() as dead:
        # What dies releases nothing.
        dead.setattr(Dispatcher, "_release", lambda _: asyncio.sleep(0))
        dead.setattr("datastore.webhook_queue.WebhookQueues.release_all", lambda *_: asyncio.sleep(0))
        async with sending(api.services):
            await make_product(api, owner, "Under way")
            [first] = await receiver.count(1)
    await make_product(api, owner, "Meanwhile")
    waiting = WebhookLead(api.services.database, new_id("prc"), timedelta(seconds=15))
    assert await waiting.take(clock.now + timedelta(seconds=14)) is None
    receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    clock.now += timedelta(seconds=31)
    async with sending(api.services):
        await until_logged(api, owner, endpoint["id"], lambda log: [each["status"] for each in log] == ["DELIVERED"] * 2)
    assert len(receiver.received) == 3
    assert [each.headers["webhook-id"] for each in receiver.received].count(first.headers["webhook-id"]) == 2


async def test_changes_that_the_database_has_not_kept_are_told_as_a_gap(shop: Shop, receiver: Receiver, mongod: MongoServer) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with failing(mongod.uri, "aggregate", times=1, errorCode=286), sending(api.services):
        log = await until_logged(api, owner, endpoint["id"], lambda log: [each["event"] for each in log] == ["feed.gap"])
        await make_product(api, owner)
        await receiver.count(2)
    assert [each.message["type"] for each in receiver.received] == ["feed.gap", "product.created"]
    assert log[0]["body"].startswith('{"type":"feed.gap"')
    [feed] = (await contents(api.services.database))["webhook_feeds"]
    assert feed["gaps"] == 1


@pytest.mark.slow
async def test_a_database_that_was_away_for_a_while_costs_no_change(shop: Shop, receiver: Receiver, mongod: MongoServer) -> None:
    api, clock, owner = shop
    await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services) as process:
        await make_product(api, owner, "Before")
        await receiver.count(1)
        async with failing(mongod.uri, "getMore", times=3), failing(mongod.uri, "findAndModify", times=3):
            await make_product(api, owner, "Meanwhile")
        await make_product(api, owner, "Later")
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(set(events(receiver))) < 3:
                # A queue whose holder could not write is held until the lease ends.
                clock.now += timedelta(seconds=5)
                process.wake()
                await asyncio.sleep(0.1)
    assert len(set(events(receiver))) == 3


async def test_the_log_is_kept_for_thirty_days(shop: Shop, receiver: Receiver) -> None:
    api, clock, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
    clock.now += timedelta(days=30)
    await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
    dispatcher = Dispatcher(api.services, new_id("prc"), lambda: None)
    await dispatcher.clean()
    assert len(await deliveries(api, owner, endpoint["id"])) == 2
    clock.now += timedelta(hours=1)
    await dispatcher.clean()
    [left] = await deliveries(api, owner, endpoint["id"])
    assert left["nextAttemptAt"] == "2027-03-03T12:00:00.000Z"


async def test_a_row_that_would_make_a_message_too_large_is_left_out(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.webhook_events.MOST_BYTES", 700)
    api, _, owner = shop
    await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services):
        await make_product(api, owner, description="x" * 1000)
        await make_product(api, owner)
        await receiver.count(2)
    assert sorted("row" in each.message["data"] for each in receiver.received) == [False, True]


async def test_what_a_deleted_account_leaves_behind_goes_too(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url)
    await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
    await api.services.database.command({"delete": "webhook_endpoints", "deletes": [{"q": {}, "limit": 0}]})
    await Dispatcher(api.services, new_id("prc"), lambda: None).clean()
    async with sending(api.services), asyncio.timeout(LIMIT_SECONDS):
        while (stored := await contents(api.services.database))["webhook_queues"] or stored["webhook_deliveries"]:
            await asyncio.sleep(0.02)
    assert receiver.received == []
