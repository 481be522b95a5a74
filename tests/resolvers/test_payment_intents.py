"""PaymentIntents at Stripe while Stripe is slow, answers 500, or loses its answers; and what is called off."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from resolvers import stripe_api
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.card_desk import Desk, awaited_sale, card_desk
from tests.resolvers.till import refusal, void
from tests.stripe_server import Road

CREATED = "/v1/payment_intents"


@pytest.fixture
async def desk(api: Api, owner: Person, services: Services, road: Road) -> AsyncIterator[Desk]:
    """A desk on a road where answers are lost."""
    async with card_desk(api, owner, services, road.url) as desk:
        yield desk


@pytest.fixture
async def sale(api: Api, owner: Person) -> dict[str, Any]:
    """A sale over 9.00 that awaits its payment."""
    return await awaited_sale(api, owner)


async def again(desk: Desk) -> None:
    """Carries out what is due within an hour."""
    await desk.work(until=desk.services.clock() + timedelta(hours=1))


@pytest.mark.parametrize("fault", [500, 429, 409, "cut", "lost"])
async def test_what_stripe_does_not_answer_is_asked_again_with_the_same_key(
    desk: Desk, road: Road, sale: dict[str, Any], fault: int | str
) -> None:
    road.faults = [fault]
    job = await desk.job_after(await desk.ask(sale))
    assert (job["status"], job["attempts"]) == ("QUEUED", 1)
    assert job["error"].startswith("Stripe ")
    await again(desk)
    job = await desk.job(job["id"])
    assert (job["status"], job["attempts"], (await desk.payment(sale))["status"]) == ("SUCCEEDED", 2, "OPEN")
    assert [(call.path, call.key) for call in road.calls] == [(CREATED, job["id"])] * 2
    intent = await desk.payment(sale)
    made = await road.stripe.get("/v1/payment_intents?limit=100")
    ours = [one["id"] for one in made["data"] if one["metadata"].get("tillstream_payment") == intent["id"]]
    assert ours == [intent["providerId"]]


async def test_an_answer_that_never_comes_is_not_waited_for(
    desk: Desk, road: Road, sale: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    road.faults = ["hang"]
    with monkeypatch.context() as impatient:
        impatient.setattr(stripe_api, "CALL_SECONDS", 0.3)
        job = await desk.job_after(await desk.ask(sale))
    assert (job["status"], job["error"]) == ("QUEUED", "Stripe cannot be reached, or broke off.")
    await again(desk)
    assert (await desk.payment(sale))["status"] == "OPEN"


async def test_what_stripe_refuses_is_not_asked_again(desk: Desk, road: Road, sale: dict[str, Any]) -> None:
    road.faults = [400]
    job = await desk.job_after(await desk.ask(sale))
    assert (job["status"], job["error"]) == ("FAILED", "Stripe refused: Something is on fire.")
    found = await desk.payment(sale)
    assert (found["status"], found["failure"]) == ("FAILED", job["error"])
    assert (await desk.opened(sale))["status"] == "OPEN"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_stripe_does_not_accept_is_shown_to_nobody(
    desk: Desk, road: Road, sale: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    road.faults = [status]
    job = await desk.job_after(await desk.ask(sale))
    assert job["error"] == "Stripe does not let this server in."
    assert "sk_test" not in caplog.text


async def test_voiding_a_sale_cancels_its_payment_at_stripe(desk: Desk, road: Road, sale: dict[str, Any]) -> None:
    payment = await desk.opened(sale)
    await void(desk.api, desk.owner, sale)
    found = await desk.payment(sale)
    assert (found["status"], found["clientSecret"]) == ("CANCELED", None)
    road.faults = [500]
    await desk.work()
    await again(desk)
    assert (await road.stripe.get(f"{CREATED}/{payment['providerId']}"))["status"] == "canceled"


async def test_a_payment_that_is_called_off_before_stripe_knows_of_it_is_never_made(desk: Desk, road: Road, sale: dict[str, Any]) -> None:
    job = await desk.ask(sale)
    await void(desk.api, desk.owner, sale)
    assert ((await desk.job_after(job))["status"], road.calls) == ("FAILED", [])


async def test_a_payment_that_is_called_off_while_it_is_made_is_cancelled_there(desk: Desk, road: Road, sale: dict[str, Any]) -> None:
    async def called_off() -> None:
        await void(desk.api, desk.owner, sale)

    road.meanwhile = called_off
    job = await desk.job_after(await desk.ask(sale))
    assert (job["status"], job["error"]) == ("FAILED", "The payment is no longer wanted.")
    made, cancelled = road.calls
    assert (made.path, cancelled.path.endswith("/cancel")) == (CREATED, True)
    assert (await road.stripe.get(cancelled.path.removesuffix("/cancel")))["status"] == "canceled"


async def test_a_sale_that_is_not_paid_has_nothing_to_give_back(desk: Desk, sale: dict[str, Any]) -> None:
    document = "mutation ($input: RefundSaleInput!) { refundSale(input: $input) { id } }"
    answer = await desk.api.execute(document, {"input": {"saleId": sale["id"]}}, caller=desk.owner)
    assert refusal(answer) == ("CONFLICT", "Sale 1 is not paid yet: void it instead.")
