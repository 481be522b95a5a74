"""A desk where sales are paid by card: sales that await their payment, on services that use a real Stripe."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from resolvers.payment_events import receive_event
from resolvers.services import Services
from resolvers.stripe_api import Payments
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.shop import make_product
from tests.resolvers.till import line, sell
from tests.stripe_server import SECRET_KEY, event, signature

PAYMENT = "id status currency amount providerId failure notice paidAt clientSecret"
PAID = f"number status total paymentStatus paidAt payments {{ {PAYMENT} }} refunds {{ id number amount status failure }}"
SALE = f"query ($id: ID!) {{ sale(id: $id) {{ {PAID} }} }}"
CREATE = "mutation ($saleId: ID!) { createPayment(saleId: $saleId) { id kind status error result } }"
JOB = "query ($id: ID!) { job(id: $id) { id status attempts error result } }"

Values = dict[str, Any]


@dataclass(frozen=True)
class Desk:
    """The services whose actions call Stripe, and a business."""

    api: Api
    owner: Person
    services: Services

    async def work(self, until: datetime | None = None) -> None:
        """Carries out all that is due, now or, as if that had come, by a moment."""
        await work_off(self.services, until=until)

    async def ask(self, sale: Values) -> str:
        """Asks for the payment of a sale; the id of the job."""
        id: str = (await self.api.data(CREATE, {"saleId": sale["id"]}, caller=self.owner))["createPayment"]["id"]
        return id

    async def job(self, id: str) -> Values:
        """A job as it is now."""
        job: Values = (await self.api.data(JOB, {"id": id}, caller=self.owner))["job"]
        return job

    async def job_after(self, id: str) -> Values:
        """A job as it is when all that is due has been carried out."""
        await self.work()
        return await self.job(id)

    async def sale(self, sale: Values) -> Values:
        """A sale as it is now, with its payments and refunds."""
        found: Values = (await self.api.data(SALE, {"id": sale["id"]}, caller=self.owner))["sale"]
        return found

    async def payment(self, sale: Values) -> Values:
        """The newest payment of a sale."""
        payment: Values = (await self.sale(sale))["payments"][-1]
        return payment

    async def opened(self, sale: Values) -> Values:
        """Asks for the payment of a sale, and has Stripe told; the payment."""
        await self.ask(sale)
        await self.work()
        return await self.payment(sale)

    async def hear(self, kind: str, payment: Values, *, event_id: str | None = None, created: int | None = None, **values: Any) -> bool:
        """An event of Stripe's about a payment, signed; whether it was news."""
        return await hear(self.services, self.owner, kind, payment, event_id=event_id, created=created, **values)


async def hear(
    services: Services, owner: Person, kind: str, payment: Values, *, event_id: str | None = None, created: int | None = None, **values: Any
) -> bool:
    """An event of Stripe's about a payment, signed; whether it was news."""
    metadata = {"tillstream_account": owner.account_id, "tillstream_payment": payment["id"]} | values.pop("metadata", {})
    plain = {
        "id": payment["providerId"] or f"pi_{payment['id']}",
        "metadata": metadata,
        "currency": payment["currency"].lower(),
        "amount": minor(payment),
    }
    body = event(kind, plain | values, id=event_id, created=created)
    return await receive_event(services, body, signature(body))


def minor(payment: Values) -> int:
    """The amount of a payment in cents."""
    return int(payment["amount"].replace(".", ""))


async def awaited_sale(api: Api, owner: Person, price: str = "4.50", quantity: int = 2, **values: Any) -> Values:
    """A sale that awaits its payment."""
    tea = await make_product(api, owner, "Assam", price, stock=10)
    return await sell(api, owner, line(tea, quantity), paymentMethod="ONLINE", awaitsPayment=True, **values)


@asynccontextmanager
async def card_desk(api: Api, owner: Person, services: Services, stripe_url: str) -> AsyncIterator[Desk]:
    """Opens one, whose Stripe is at an address."""
    changes = {"stripe_secret_key": SecretStr(SECRET_KEY), "stripe_publishable_key": "pk_test_loopback", "stripe_api_base": stripe_url}
    async with Payments.open(services.settings.model_copy(update=changes)) as payments:
        yield Desk(api, owner, replace(services, outside=replace(services.outside, payments=payments)))


def stored(reply: Values) -> str:
    """All that a reply of the database holds, as text."""
    return json.dumps(reply["cursor"]["firstBatch"], default=str)
