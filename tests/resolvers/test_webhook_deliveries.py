"""The log of webhooks, and sending again."""

from collections.abc import AsyncIterator

import pytest

from datastore.database import Database
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.receivers import Receiver, receiving, status
from tests.resolvers.clocks import Clock
from tests.resolvers.hooks import DELIVERIES, REDELIVER, TEST, UPDATE, deliveries, make_endpoint, open_to_all, sending, until_logged
from tests.resolvers.shop import make_product

Shop = tuple[Api, Clock, Person]


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    api, clock = open_to_all(services)
    return api, clock, await api.sign_up()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_test_message_goes_out_at_once_and_the_log_says_what_came_of_it(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    receiver.answer = lambda _: status(202, "schön".encode())
    endpoint = await make_endpoint(api, owner, receiver.url, "sale.created")
    asked = (await api.data(TEST, {"id": endpoint["id"]}, caller=owner))["sendTestWebhook"]
    assert (asked["status"], asked["attempts"], asked["event"]) == ("SCHEDULED", 0, "webhook.test")
    async with sending(api.services):
        [first] = await receiver.count(1)
        [logged] = await until_logged(api, owner, endpoint["id"], lambda log: log[0]["status"] == "DELIVERED")
    assert (first.headers["webhook-id"], first.message["type"]) == (asked["id"], "webhook.test")
    assert logged["durationMs"] >= 0
    assert logged | {"durationMs": 0} == asked | {
        "status": "DELIVERED",
        "attempts": 1,
        "nextAttemptAt": None,
        "lastAttemptAt": "2027-02-01T12:00:00.000Z",
        "responseStatus": 202,
        "responseBody": "schön",
        "error": None,
        "durationMs": 0,
        "deliveredAt": "2027-02-01T12:00:00.000Z",
        "endpoint": {"id": endpoint["id"]},
    }


async def test_a_message_is_sent_again_under_the_same_id(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services) as process:
        await make_product(api, owner)
        [sent] = await until_logged(api, owner, endpoint["id"], lambda log: [each["status"] for each in log] == ["DELIVERED"])
        await api.data(REDELIVER, {"id": sent["id"]}, caller=owner)
        process.wake()
        first, second = await receiver.count(2)
        await until_logged(api, owner, endpoint["id"], lambda log: [each["attempts"] for each in log] == [2])
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == sent["id"]
    assert first.body == second.body


async def test_the_log_is_narrowed_by_where_deliveries_stand(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint, other = [await make_endpoint(api, owner, receiver.url) for _ in range(2)]
    [asked, _] = [(await api.data(TEST, {"id": id}, caller=owner))["sendTestWebhook"] for id in (endpoint["id"], other["id"])]
    for state, found in (("SCHEDULED", [asked["id"]]), ("WAITING", []), ("DELIVERED", []), ("FAILED", []), (None, [asked["id"]])):
        assert [each["id"] for each in await deliveries(api, owner, endpoint["id"], state)] == found


async def test_nothing_is_sent_again_to_an_endpoint_that_is_off_or_is_anothers(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    stranger = await api.sign_up()
    endpoint = await make_endpoint(api, owner, receiver.url)
    asked = (await api.data(TEST, {"id": endpoint["id"]}, caller=owner))["sendTestWebhook"]
    assert await api.code(REDELIVER, {"id": asked["id"]}, caller=stranger) == "NOT_FOUND"
    assert await api.code(REDELIVER, {"id": endpoint["id"]}, caller=owner) == "INVALID_INPUT"
    assert await api.code(REDELIVER, {"id": asked["id"]}) == "UNAUTHENTICATED"
    assert await api.code(DELIVERIES, {"id": endpoint["id"], "status": "SENT"}, caller=owner) == "INVALID_INPUT"
    await api.data(UPDATE, {"input": {"id": endpoint["id"], "enabled": False}}, caller=owner)
    assert await api.code(REDELIVER, {"id": asked["id"]}, caller=owner) == "CONFLICT"
    assert await api.code(TEST, {"id": endpoint["id"]}, caller=owner) == "CONFLICT"
