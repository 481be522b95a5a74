"""What Stripe says: signatures by its documented scheme, and events in every order, twice, at once, and wrong."""

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import InvalidInputError
from resolvers.payment_events import KINDS, TOLERANCE_SECONDS, WebhooksOffError, receive_event
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.card_desk import Desk, awaited_sale, minor
from tests.resolvers.conftest import Unchanged
from tests.resolvers.till import entries, refund, void
from tests.stripe_server import LocalStripe, event, signature

SUCCEEDED, PROCESSING, FAILED, CANCELED = (f"payment_intent.{kind}" for kind in ("succeeded", "processing", "payment_failed", "canceled"))


@pytest.fixture
async def sale(api: Api, owner: Person) -> dict[str, Any]:
    """A sale over 9.00 that awaits its payment."""
    return await awaited_sale(api, owner)


BODY = event(SUCCEEDED, {"id": "pi_1", "metadata": {}})
FORGED: dict[str, Callable[[bytes], str]] = {
    "none": lambda _: "",
    "of another secret": lambda body: signature(body, secret="whsec_other"),
    "of another body": lambda body: signature(body + b" "),
    "too old": lambda body: signature(body, at=time.time() - TOLERANCE_SECONDS - 5),
    "of another moment": lambda body: signature(body).replace("t=", "t=1"),
    "of another scheme": lambda body: signature(body, scheme="v0"),
    "without a moment": lambda body: signature(body).partition(",")[2],
    "of a moment that is none": lambda body: "t=soon," + signature(body).partition(",")[2],
    "of an endless moment": lambda body: f"t={'9' * 5000}," + signature(body).partition(",")[2],
    "not in ASCII": lambda body: signature(body) + "\xe9",
    "rubbish": lambda _: "=,=,==",
}


@pytest.mark.parametrize("forged", FORGED)
async def test_what_stripe_has_not_signed_is_refused(services: Services, forged: str) -> None:
    with pytest.raises(InvalidInputError, match="Stripe-Signature"):
        await receive_event(services, BODY, FORGED[forged](BODY))


async def test_a_signature_among_others_and_one_that_is_nearly_too_old_are_good(services: Services) -> None:
    moment, _, good = signature(BODY, at=time.time() - TOLERANCE_SECONDS + 30).partition(",")
    assert await receive_event(services, BODY, f"{moment},v1={'0' * 64},v0=x,{good}") is False


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"7", b"[]", b"{}", b'{"id": "evt_1", "type": "x", "created": 1}', b'{"data": {"object": 7}}']
)
async def test_a_signed_body_that_is_no_event_is_refused(services: Services, body: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no event"):
        await receive_event(services, body, signature(body))


async def test_without_a_secret_no_event_is_taken(services: Services) -> None:
    settings = services.settings.model_copy(update={"stripe_webhook_secret": None})
    with pytest.raises(WebhooksOffError):
        await receive_event(_with(services, settings), BODY, signature(BODY))


def _with(services: Services, settings: Any) -> Services:
    return Services(**{name: getattr(services, name) for name in services.__dataclass_fields__} | {"settings": settings})


async def test_events_about_anything_else_are_none_of_ours(
    desk: Desk, sale: dict[str, Any], stranger: Person, nothing_written: Unchanged
) -> None:
    payment = await desk.opened(sale)
    foreign: list[dict[str, Any]] = [
        {},
        {"tillstream_account": stranger.account_id},
        {"tillstream_payment": "pay_01J0000000000000000000000A"},
        {"tillstream_payment": "x"},
        {"tillstream_account": None},
    ]
    async with nothing_written():
        assert not await desk.hear("customer.created", payment)
        for metadata in foreign[1:]:
            assert not await desk.hear(SUCCEEDED, payment, metadata=metadata)
        for odd in (None, "x", foreign[0]):
            body = event(SUCCEEDED, {"id": "pi_1", "metadata": odd})
            assert not await receive_event(desk.services, body, signature(body))


async def test_the_same_event_is_taken_once_however_often_and_at_once_it_comes(
    desk: Desk, sale: dict[str, Any], database: Database
) -> None:
    payment = await desk.opened(sale)
    taken = await asyncio.gather(*(desk.hear(SUCCEEDED, payment, event_id="evt_same") for _ in range(5)))
    assert sorted(taken) == [False] * 4 + [True]
    assert not await desk.hear(SUCCEEDED, payment, event_id="evt_same")
    assert await desk.hear(SUCCEEDED, payment, event_id="evt_other")
    assert await entries(desk.api, desk.owner) == [("SALE", "9.00", "Sale 1")]
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize("order", list(itertools.permutations([(PROCESSING, 20), (FAILED, 10), (SUCCEEDED, 30)]))[1::2])
async def test_in_whatever_order_events_come_the_sale_is_paid_in_the_end(
    desk: Desk, sale: dict[str, Any], order: list[tuple[str, int]], database: Database
) -> None:
    payment = await desk.opened(sale)
    for kind, created in order:
        assert await desk.hear(kind, payment, created=created)
    found = await desk.sale(sale)
    assert (found["paymentStatus"], found["payments"][0]["status"], found["payments"][0]["failure"]) == ("PAID", "SUCCEEDED", None)
    assert len(await entries(desk.api, desk.owner)) == 1


async def test_the_newest_event_counts_while_nothing_is_decided(desk: Desk, sale: dict[str, Any]) -> None:
    payment = await desk.opened(sale)
    await desk.hear(PROCESSING, payment, created=20)
    await desk.hear(FAILED, payment, created=10, last_payment_error={"message": "Too late."})
    assert (await desk.payment(sale))["status"] == "PROCESSING"
    await desk.hear(FAILED, payment, created=30, last_payment_error={"message": "No money."})
    found = await desk.payment(sale)
    assert (found["status"], found["failure"], found["clientSecret"]) == ("OPEN", "No money.", payment["clientSecret"])
    await desk.hear(CANCELED, payment, created=40)
    await desk.hear(PROCESSING, payment, created=50)
    assert (await desk.payment(sale))["status"] == "CANCELED"
    assert (await desk.opened(sale))["status"] == "OPEN"


async def test_an_event_that_is_quicker_than_the_answer_finds_its_payment(desk: Desk, sale: dict[str, Any], database: Database) -> None:
    await desk.ask(sale)
    payment = await desk.payment(sale)
    assert (payment["status"], payment["providerId"]) == ("CREATING", None)
    assert await desk.hear(SUCCEEDED, payment, event_id="evt_early")
    found = await desk.sale(sale)
    assert (found["paymentStatus"], found["payments"][0]["providerId"]) == ("PAID", f"pi_{payment['id']}")
    await desk.work()
    assert (await desk.payment(sale))["status"] == "SUCCEEDED"
    assert (await verify(database)).findings == ()


async def test_an_event_of_another_intent_with_our_metadata_changes_nothing(desk: Desk, sale: dict[str, Any]) -> None:
    payment = await desk.opened(sale)
    await desk.hear(SUCCEEDED, payment | {"providerId": "pi_another"})
    assert (await desk.sale(sale))["paymentStatus"] == "PENDING"


@pytest.mark.parametrize("wrong", [{"amount_received": 899}, {"currency": "eur"}, {"amount": None}])
async def test_another_amount_than_was_asked_for_pays_nothing_and_is_pointed_out(
    desk: Desk, sale: dict[str, Any], wrong: dict[str, Any], database: Database
) -> None:
    payment = await desk.opened(sale)
    await desk.hear(SUCCEEDED, payment, **wrong)
    found = await desk.sale(sale)
    assert (found["paymentStatus"], found["payments"][0]["status"]) == ("PENDING", "MISMATCHED")
    assert "900 USD were asked for" in found["payments"][0]["notice"]
    assert (await verify(database)).findings == ()


async def test_money_that_comes_for_a_voided_sale_goes_back(
    desk: Desk, sale: dict[str, Any], stripe: LocalStripe, database: Database
) -> None:
    payment = await desk.opened(sale)
    assert await stripe.pay(payment["clientSecret"]) == 200
    await void(desk.api, desk.owner, sale)
    assert (await desk.payment(sale))["status"] == "CANCELED"
    await desk.hear(SUCCEEDED, payment)
    await desk.hear(CANCELED, payment)
    assert (await desk.payment(sale))["status"] == "RETURNING"
    await desk.work()
    found = await desk.sale(sale)
    assert (found["status"], found["paymentStatus"], found["payments"][0]["status"]) == ("VOIDED", "PENDING", "RETURNED")
    given = await stripe.get(f"/v1/refunds?payment_intent={payment['providerId']}")
    assert [one["amount"] for one in given["data"]] == [900]
    assert await entries(desk.api, desk.owner) == []
    assert (await verify(database)).findings == ()


async def test_a_charge_given_back_in_the_dashboard_alone_is_pointed_out(desk: Desk, sale: dict[str, Any]) -> None:
    payment = await desk.opened(sale)
    await desk.hear(SUCCEEDED, payment)
    await refund(desk.api, desk.owner, sale, (0, 1))
    charge: dict[str, Any] = {"id": "ch_1", "amount": minor(payment)}
    await desk.hear("charge.refunded", payment, **charge, amount_refunded=450)
    assert (await desk.payment(sale))["notice"] is None
    await desk.hear("charge.refunded", payment, **charge, amount_refunded=451)
    assert "gave back 451 in all" in (await desk.payment(sale))["notice"]


def test_the_document_names_the_events_that_are_to_be_sent() -> None:
    text = Path("docs/payments.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in KINDS)
