"""Payments, their sales and refunds say the same: what does not is named."""

import pytest

from datastore.schema import Payment, Refund, Sale
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.broken_books import Break, assert_named, off_by_one
from tests.resolvers.card_desk import CREATE, PAID, awaited_sale, hear
from tests.resolvers.till import refund

pytestmark = pytest.mark.slow

BREAKS = [
    off_by_one(Payment, "amount_minor", "its sale comes to"),
    Break("a payment that never came", Payment, {"status": "OPEN"}, "^sale {sale_id}: 0 of its payments succeeded, but .* say 1$"),
    Break("a payment of nowhere", Payment, {"provider_id": None}, "^payment {id}: it succeeded, but nobody knows which it is at Stripe$"),
    Break("a payment in another currency", Payment, {"currency": "EUR"}, "^payment {id}: currency is EUR, but its account's is USD$"),
    Break("a sale that says it is unpaid", Sale, {"paid_at": None}, "^sale {id}: 1 of its payments succeeded, but .* say 0$"),
    Break(
        "a sale that still waits", Sale, {"payment_status": "PENDING"}, "^sale {id}: payment_status is PENDING, but its paid_at says PAID$"
    ),
    Break(
        "an entry of a sale that waits", Sale, {"payment_status": "PENDING"}, "^sale {id}: 1 of its 1 ledger entries stand, but none may$"
    ),
    Break("a refund by no payment", Refund, {"payment_id": None}, "^refund {id}: its status is PENDING, but it goes back by no payment$"),
    Break(
        "a refund that Stripe was never told of",
        Refund,
        {"payment_id": None, "status": "SUCCEEDED", "job_id": None},
        "^refund {id}: it goes back by no payment, but its sale was paid by one$",
    ),
    Break(
        "a refund that Stripe knows nothing of",
        Refund,
        {"status": "SUCCEEDED"},
        "^refund {id}: it succeeded, but nobody knows which it is at Stripe$",
    ),
    Break("a refund by another payment", Refund, {"payment_id": "pay_x"}, "^refund {id}: it goes back by the payment pay_x, which is none"),
]


@pytest.fixture
async def books(api: Api, owner: Person, services: Services) -> Services:
    """A sale that was paid through Stripe, and partly given back."""
    sale = await awaited_sale(api, owner)
    await api.data(CREATE, {"saleId": sale["id"]}, caller=owner)
    query = f"query ($id: ID!) {{ sale(id: $id) {{ {PAID} }} }}"
    [payment] = (await api.data(query, {"id": sale["id"]}, caller=owner))["sale"]["payments"]
    await hear(services, owner, "payment_intent.succeeded", payment)
    await refund(api, owner, sale, (0, 1))
    return services


async def test_each_thing_that_does_not_fit_is_named(books: Services) -> None:
    for one in BREAKS:
        await assert_named(books, one)


async def test_a_sale_that_waits_for_money_at_the_till_is_named(api: Api, owner: Person, services: Services) -> None:
    await awaited_sale(api, owner)
    says = "^sale {id}: its payment_method is CASH, but its money is waited for, or was$"
    await assert_named(services, Break("at the till", Sale, {"payment_method": "CASH"}, says))
