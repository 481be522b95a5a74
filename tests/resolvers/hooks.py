"""Webhooks in tests: endpoints made through the public API, and the tasks that send to them, on a clock that a test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from datastore.ids import new_id
from resolvers.outward import Outward
from resolvers.services import Services
from resolvers.webhook_dispatch import Dispatcher
from resolvers.webhook_sending import Sender
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.resolvers.clocks import Clock, clocked

ENDPOINT = "id url description events enabled disabledAt disabledReason failingSince oldSecretUntil createdBy { name }"
DELIVERY = "id event body status attempts nextAttemptAt lastAttemptAt responseStatus responseBody error durationMs deliveredAt"
CREATE = f"mutation ($input: CreateWebhookEndpointInput!) {{ createWebhookEndpoint(input: $input) {{ secret endpoint {{ {ENDPOINT} }} }} }}"
UPDATE = f"mutation ($input: UpdateWebhookEndpointInput!) {{ updateWebhookEndpoint(input: $input) {{ {ENDPOINT} }} }}"
ROTATE = f"mutation ($id: ID!) {{ rotateWebhookSecret(id: $id) {{ secret endpoint {{ {ENDPOINT} }} }} }}"
DELETE = f"mutation ($id: ID!) {{ deleteWebhookEndpoint(id: $id) {{ {ENDPOINT} }} }}"
LIST = f"{{ webhookEndpoints {{ nodes {{ {ENDPOINT} }} }} }}"
TEST = f"mutation ($id: ID!) {{ sendTestWebhook(id: $id) {{ {DELIVERY} }} }}"
REDELIVER = f"mutation ($id: ID!) {{ redeliverWebhook(id: $id) {{ {DELIVERY} }} }}"
DELIVERIES = f"""query ($id: ID!, $status: WebhookDeliveryStatus) {{
  webhookDeliveries(endpointId: $id, status: $status, first: 100) {{ nodes {{ {DELIVERY} endpoint {{ id }} }} }}
}}"""

Values = dict[str, Any]


def open_to_all(services: Services, moment: str = "2027-02-01T12:00:00") -> tuple[Api, Clock]:
    """The public API, without live operations, where webhooks may go to our own network; and its clock."""
    settings = services.settings.model_copy(update={"webhook_allow_private": True})
    return clocked(replace(services, settings=settings), moment)


async def make_endpoint(api: Api, owner: Person, url: str, *events: str) -> Values:
    """A new endpoint, with its secret under `secret`."""
    data = await api.data(CREATE, {"input": {"url": url, "events": list(events)}}, caller=owner)
    made: Values = data["createWebhookEndpoint"]
    return {**made["endpoint"], "secret": made["secret"]}


async def endpoint_of(api: Api, owner: Person, id: str) -> Values:
    """An endpoint as the list shows it."""
    found: list[Values] = (await api.data(LIST, caller=owner))["webhookEndpoints"]["nodes"]
    return next(each for each in found if each["id"] == id)


async def deliveries(api: Api, owner: Person, id: str, status: str | None = None) -> list[Values]:
    """The log of an endpoint, the oldest first."""
    data = await api.data(DELIVERIES, {"id": id, "status": status}, caller=owner)
    found: list[Values] = data["webhookDeliveries"]["nodes"]
    return found[::-1]


@dataclass
class Sending:
    """The tasks of one process."""

    sender: Sender
    dispatcher: Dispatcher
    tasks: list[asyncio.Task[None]]

    def wake(self) -> None:
        """Has it look what is due by now."""
        self.sender.wake()


@asynccontextmanager
async def sending(services: Services, *, sends: bool = True) -> AsyncIterator[Sending]:
    """A process that sends webhooks, or only writes down what is to be sent."""
    client = Outward(allow_private=True)
    holder = new_id("prc")
    sender = Sender(services, client, holder)
    dispatcher = Dispatcher(services, holder, sender.wake)
    tasks = [asyncio.create_task(dispatcher.run()), *([asyncio.create_task(sender.run())] if sends else [])]
    try:
        yield Sending(sender, dispatcher, tasks)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await client.close()


async def until_logged(api: Api, owner: Person, id: str, condition: Callable[[list[Values]], bool]) -> list[Values]:
    """Waits until a condition holds of an endpoint's log; that."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition(log := await deliveries(api, owner, id)):
            await asyncio.sleep(0.02)
    return log


async def until_off(api: Api, owner: Person, id: str) -> Values:
    """Waits until an endpoint is switched off; that."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (endpoint := await endpoint_of(api, owner, id))["enabled"]:
            await asyncio.sleep(0.02)
    return endpoint


async def pass_by(api: Api, clock: Clock, process: Sending, **time: float) -> None:
    """Lets time pass, once nothing is under way: what is under way would take the time as its own."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while await held(api):
            await asyncio.sleep(0.01)
    clock.now += timedelta(**time)
    process.wake()


async def held(api: Api) -> int:
    query = {"holder": {"$ne": None}}
    return int((await api.services.database.command({"count": "webhook_queues", "query": query}))["n"])
