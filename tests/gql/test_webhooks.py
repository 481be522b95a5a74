"""The tasks that send webhooks, in the process of a server."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from datastore.database import Database
from gql.app import create_app
from gql.service import GraphQLService
from gql.webhooks import open_webhooks
from resolvers.services import Services
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.receivers import Receiver, receiving
from tests.resolvers.hooks import make_endpoint, open_to_all
from tests.resolvers.shop import make_product

TASKS = {"webhooks: changes", "webhooks: sending"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def shop(database: Database, services: Services) -> tuple[Api, Person]:
    api, _ = open_to_all(services)
    return api, await api.sign_up()


async def test_a_server_sends_webhooks_until_it_ends(shop: tuple[Api, Person], service: GraphQLService, receiver: Receiver) -> None:
    api, owner = shop
    await make_endpoint(api, owner, receiver.url, "product.created")
    assert service.engine is not None
    listeners = list(service.engine.listeners)
    async with open_webhooks(api.services, service.engine) as webhooks:
        product = await make_product(api, owner)
        [told] = await receiver.count(1)
        states = [webhooks.alive]
        assert {task.get_name() for task in asyncio.all_tasks()} >= TASKS
    assert told.about == ("product.created", product["id"])
    assert [*states, webhooks.alive] == [True, False]
    assert not {task.get_name() for task in asyncio.all_tasks()} & TASKS
    assert service.engine.listeners == listeners


async def test_a_process_that_sends_hears_by_the_change_stream_that_another_has_something_for_it(
    shop: tuple[Api, Person], service: GraphQLService, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.webhook_sending.POLL_SECONDS", 60.0)
    api, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url)
    async with open_webhooks(api.services, service.engine):
        await asyncio.sleep(0)
        await api.data("mutation ($id: ID!) { sendTestWebhook(id: $id) { id } }", {"id": endpoint["id"]}, caller=owner)
        [told] = await receiver.count(1)
    assert told.message["type"] == "webhook.test"


async def test_a_task_that_has_died_takes_the_readiness_of_the_process_with_it(
    shop: tuple[Api, Person], service: GraphQLService, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    broken = shop[0].services
    async with open_webhooks(broken, None) as webhooks:
        app = create_app(service, services, {"webhooks": lambda: webhooks.alive})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://till") as client:
            assert (await client.get("/readyz")).json()["checks"]["webhooks"]
            with caplog.at_level(logging.ERROR):
                object.__setattr__(broken, "clock", None)  # what nobody thought of
                async with asyncio.timeout(LIMIT_SECONDS):
                    while webhooks.alive:
                        await asyncio.sleep(0.01)
            response = await client.get("/readyz")
        object.__setattr__(broken, "clock", services.clock)
    assert (response.status_code, response.json()["checks"]["webhooks"]) == (503, False)
    assert "no longer ready" in caplog.text
