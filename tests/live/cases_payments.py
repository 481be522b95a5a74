"""Payments through Stripe, as its events tell of them."""

from typing import Any

from tests.live.cases import Stall, case
from tests.resolvers.card_desk import CREATE, awaited_sale, hear
from tests.resolvers.till import refund, sale_of, void

PAYMENTS = "query ($id: ID!) { sale(id: $id) { payments { id providerId currency amount } } }"
SHOWN = "{ status failure notice paidAt providerId clientSecret }"


async def ask_for_a_payment(stall: Stall) -> None:
    await stall.do(CREATE, saleId=stall.ids["awaited"])


async def await_a_payment(stall: Stall) -> None:
    """A sale that awaits its payment."""
    stall.ids["awaited"] = (await awaited_sale(stall.api, stall.owner))["id"]


async def await_a_payment_that_was_asked_for(stall: Stall) -> None:
    """The same, with the payment."""
    await await_a_payment(stall)
    await ask_for_a_payment(stall)
    stall.ids["payment"] = (await _payment(stall))["id"]


async def await_nothing_any_more(stall: Stall) -> None:
    """The same, paid."""
    await await_a_payment_that_was_asked_for(stall)
    await hear_that_it_was_paid(stall)


async def _payment(stall: Stall) -> dict[str, Any]:
    data = await stall.api.data(PAYMENTS, {"id": stall.ids["awaited"]}, caller=stall.owner)
    payment: dict[str, Any] = data["sale"]["payments"][0]
    return payment


async def hear_that_it_was_paid(stall: Stall) -> None:
    await hear(stall.api.services, stall.owner, "payment_intent.succeeded", await _payment(stall))


async def hear_that_a_card_was_declined(stall: Stall) -> None:
    await hear(stall.api.services, stall.owner, "payment_intent.payment_failed", await _payment(stall))


async def void_the_awaited(stall: Stall) -> None:
    await void(stall.api, stall.owner, {"id": stall.ids["awaited"]})


async def give_some_back(stall: Stall) -> None:
    sale = await sale_of(stall.api, stall.owner, stall.ids["awaited"])
    assert sale is not None
    await refund(stall.api, stall.owner, sale, (0, 1))


async def seal_a_secret_bare(stall: Stall) -> None:
    sealed = stall.api.services.outside.sealer.seal("pi_1_secret_1")
    await stall.driver.payments.update_one({"_id": stall.ids["payment"]}, {"$set": {"status": "OPEN", "sealed_secret": sealed}})


ASKED = await_a_payment_that_was_asked_for
CASES = [
    case("Query.sale Sale.payments", f"sale(id: <awaited>) {{ paymentStatus payments {SHOWN} }}", ask_for_a_payment, await_a_payment),
    case("Query.sale Sale.payments", "sale(id: <awaited>) { payments { status failure } }", hear_that_a_card_was_declined, ASKED),
    case("Query.sale", "sale(id: <awaited>) { paymentStatus paidAt }", hear_that_it_was_paid, ASKED),
    case("Query.sales Sale.payments", "sales(first: 1) { nodes { payments { status } } }", void_the_awaited, ASKED),
    case("Query.sale Payment.clientSecret", "sale(id: <awaited>) { payments { clientSecret } }", seal_a_secret_bare, ASKED),
    case("Query.node Payment.sale", "node(id: <payment>) { ... on Payment { sale { paymentStatus } } }", hear_that_it_was_paid, ASKED),
    case("Query.transactions", "transactions { nodes { kind amount } }", hear_that_it_was_paid, ASKED),
    case("Query.dashboard", "dashboard(preset: TODAY) { revenue salesCount }", hear_that_it_was_paid, ASKED),
    case("Query.sale Sale.refunds", "sale(id: <awaited>) { refunds { status } }", give_some_back, await_nothing_any_more),
]
