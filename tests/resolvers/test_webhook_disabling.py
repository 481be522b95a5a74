"""Endpoints that are switched off by themselves, and the mail that says so."""

from collections.abc import AsyncIterator

import pytest

from datastore.database import Database
from resolvers import webhook_dispatch
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.receivers import Receiver, status
from tests.resolvers.clocks import Clock
from tests.resolvers.hooks import TEST, deliveries, endpoint_of, make_endpoint, open_to_all, pass_by, sending, until_logged, until_off
from tests.resolvers.post import Post, post_office, text_of
from tests.resolvers.shop import make_product

Shop = tuple[Api, Clock, Person]


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    api, clock = open_to_all(services)
    return api, clock, await api.sign_up()


@pytest.fixture
async def post(shop: Shop) -> AsyncIterator[Post]:
    async with post_office(shop[0].services) as post:
        yield post


@pytest.mark.slow
async def test_a_receiver_that_is_gone_is_sent_nothing_more_and_its_owner_is_told(shop: Shop, receiver: Receiver, post: Post) -> None:
    api, _, owner = shop
    receiver.answer = lambda _: status(410)
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services):
        await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
        off = await until_off(api, owner, endpoint["id"])
    assert off["disabledReason"] == "The receiver answered that it is gone for good (410)."
    assert off["disabledAt"] == "2027-02-01T12:00:00.000Z"
    await post.work()
    [message] = post.messages
    assert message["To"] == owner.email
    assert receiver.url in text_of(message)
    assert "gone for good" in text_of(message)


async def test_an_endpoint_is_switched_off_after_three_days_without_a_success(shop: Shop, receiver: Receiver, post: Post) -> None:
    api, clock, owner = shop
    receiver.answer = lambda _: status(500)
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services) as process:
        await make_product(api, owner)
        await until_logged(api, owner, endpoint["id"], lambda log: [each["attempts"] for each in log] == [1])
        await pass_by(api, clock, process, days=3, seconds=-1)
        await until_logged(api, owner, endpoint["id"], lambda log: log[0]["attempts"] == 2)
        assert (await endpoint_of(api, owner, endpoint["id"]))["enabled"]
        await pass_by(api, clock, process, hours=6)
        off = await until_off(api, owner, endpoint["id"])
    assert off["disabledReason"] == "Nothing could be delivered for 3 days. The last failure: The receiver answered 500."
    await post.work()
    assert [message["To"] for message in post.messages] == [owner.email]


async def test_an_endpoint_that_falls_behind_further_and_further_is_switched_off(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _, owner = shop
    monkeypatch.setattr(webhook_dispatch, "MOST_WAITING", 5)
    monkeypatch.setattr(webhook_dispatch, "COUNTED_EVERY", 2)
    receiver.answer = lambda _: None
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services):
        for number in range(15):
            await make_product(api, owner, f"Tea {number}")
        off = await until_off(api, owner, endpoint["id"])
    assert off["disabledReason"] == "More than 5 messages wait for it."
    assert len(await deliveries(api, owner, endpoint["id"], "WAITING")) >= 5
