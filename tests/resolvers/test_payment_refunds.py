"""Money that goes back through Stripe: once, whatever is lost on the way, and visibly where it does not."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from datastore.database import Database
from resolvers.payment_intents import ATTEMPTS
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.card_desk import Desk, awaited_sale, card_desk
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import make_product, problems
from tests.resolvers.till import entries, line, refund, refusal, sell, void
from tests.stripe_server import LocalStripe, Road

RETRY = "mutation ($id: ID!) { retryRefund(id: $id) { id status failure } }"


@pytest.fixture
async def desk(api: Api, owner: Person, services: Services, road: Road) -> AsyncIterator[Desk]:
    """A desk on a road where answers are lost."""
    async with card_desk(api, owner, services, road.url) as desk:
        yield desk


@pytest.fixture
async def paid(desk: Desk, stripe: LocalStripe) -> dict[str, Any]:
    """A sale over 9.00, two pieces, that was paid by card."""
    sale = await awaited_sale(desk.api, desk.owner)
    payment = await desk.opened(sale)
    assert await stripe.pay(payment["clientSecret"]) == 200
    assert await desk.hear("payment_intent.succeeded", payment)
    return sale


async def given_back(desk: Desk, road: Road, sale: dict[str, Any]) -> list[int]:
    """The amounts that Stripe has given back for a sale, the last first."""
    payment = await desk.payment(sale)
    return [one["amount"] for one in (await road.stripe.get(f"/v1/refunds?payment_intent={payment['providerId']}"))["data"]]


async def made(desk: Desk, sale: dict[str, Any]) -> dict[str, Any]:
    """The one refund of a sale."""
    [one] = (await desk.sale(sale))["refunds"]
    found: dict[str, Any] = one
    return found


@pytest.mark.parametrize("faults", [[500], [200, 429], ["cut"], [200, "lost"]])
async def test_money_goes_back_once_whatever_is_lost_on_the_way(desk: Desk, road: Road, paid: dict[str, Any], faults: list[Any]) -> None:
    road.faults = faults
    await refund(desk.api, desk.owner, paid, (0, 1))
    await desk.work()
    first = await made(desk, paid)
    assert (first["status"], first["failure"].startswith("Stripe ")) == ("PENDING", True)
    await desk.work(until=desk.services.clock() + timedelta(hours=1))
    found = await made(desk, paid)
    assert (found["status"], found["failure"]) == ("SUCCEEDED", None)
    assert await given_back(desk, road, paid) == [450]


async def test_parts_go_back_one_by_one(desk: Desk, road: Road, paid: dict[str, Any], database: Database) -> None:
    for _ in range(2):
        await refund(desk.api, desk.owner, paid, (0, 1))
    await desk.work()
    found = await desk.sale(paid)
    assert [one["status"] for one in found["refunds"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert (found["status"], await given_back(desk, road, paid)) == ("REFUNDED", [450, 450])
    assert [kind for kind, _, _ in await entries(desk.api, desk.owner)] == ["SALE", "REFUND", "REFUND"]
    assert (await verify(database)).findings == ()


async def test_what_stripe_refuses_is_shown_and_can_be_tried_again(
    desk: Desk, road: Road, paid: dict[str, Any], database: Database
) -> None:
    road.faults = [200, 400]
    await refund(desk.api, desk.owner, paid)
    await desk.work()
    found = await made(desk, paid)
    assert (found["status"], found["failure"]) == ("FAILED", "Stripe refused: Something is on fire.")
    again = (await desk.api.data(RETRY, {"id": found["id"]}, caller=desk.owner))["retryRefund"]
    assert again == {"id": found["id"], "status": "PENDING", "failure": None}
    assert refusal(await desk.api.execute(RETRY, {"id": found["id"]}, caller=desk.owner))[0] == "CONFLICT"
    await desk.work()
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [900])
    assert refusal(await desk.api.execute(RETRY, {"id": found["id"]}, caller=desk.owner))[0] == "CONFLICT"
    assert (await verify(database)).findings == ()


async def try_in_vain(desk: Desk) -> datetime:
    """Lets as much time pass as a refund is tried for; when that is over."""
    moment = desk.services.clock()
    for _ in range(ATTEMPTS):
        await desk.work(until=moment)
        moment += timedelta(hours=2)
    return moment


async def test_trying_again_finds_what_stripe_did_without_saying_so(desk: Desk, road: Road, paid: dict[str, Any]) -> None:
    """A key whose request failed inside Stripe is answered with that failure for a day, and is forgotten then."""
    road.faults = [200, "lost", *[500] * (ATTEMPTS - 1)]
    await refund(desk.api, desk.owner, paid, (0, 1))
    await try_in_vain(desk)
    found = await made(desk, paid)
    assert (found["status"], found["failure"]) == ("FAILED", "Stripe cannot be reached, or broke off.")
    await desk.api.data(RETRY, {"id": found["id"]}, caller=desk.owner)
    await desk.work()
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [450])


async def test_a_refund_that_fails_at_the_bank_later_is_heard_of(desk: Desk, paid: dict[str, Any]) -> None:
    await refund(desk.api, desk.owner, paid)
    await desk.work()
    found, payment = await made(desk, paid), await desk.payment(paid)
    [listed] = (await desk.api.services.database.command({"find": "refunds"}))["cursor"]["firstBatch"]
    about = {"metadata": {"tillstream_refund": found["id"]}, "id": listed["provider_id"]}
    await desk.hear("refund.created", payment, **about, status="pending")
    assert (await made(desk, paid))["status"] == "SUCCEEDED"
    await desk.hear("refund.failed", payment, **about, status="failed", failure_reason="lost_or_stolen_card")
    await desk.hear("refund.updated", payment, **about, status="succeeded")
    found = await made(desk, paid)
    assert (found["status"], found["failure"]) == ("FAILED", "lost_or_stolen_card")
    await desk.hear("refund.updated", payment, **(about | {"id": "re_another"}), status="succeeded")
    assert (await made(desk, paid))["status"] == "FAILED"


async def test_late_news_of_a_try_that_failed_hides_nothing_of_the_next_one(desk: Desk, road: Road, paid: dict[str, Any]) -> None:
    """Stripe tells of one failure by several events, and sends each again where nobody took it."""
    road.faults = [200, 400]
    await refund(desk.api, desk.owner, paid)
    await desk.work()
    found, payment = await made(desk, paid), await desk.payment(paid)
    failed: dict[str, Any] = {"metadata": {"tillstream_refund": found["id"]}, "id": "re_failed", "status": "failed"}
    assert await desk.hear("refund.failed", payment, **failed)
    await desk.api.data(RETRY, {"id": found["id"]}, caller=desk.owner)
    assert await desk.hear("charge.refund.updated", payment, **failed)
    await desk.work()
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [900])
    assert await desk.hear("refund.updated", payment, **failed)
    assert (await made(desk, paid))["status"] == "SUCCEEDED"


async def test_voiding_a_paid_sale_gives_all_of_it_back(desk: Desk, road: Road, paid: dict[str, Any], database: Database) -> None:
    await void(desk.api, desk.owner, paid)
    assert (await desk.payment(paid))["status"] == "RETURNING"
    road.faults = [200, "lost"]
    await desk.work()
    assert (await desk.payment(paid))["failure"] == "Stripe cannot be reached, or broke off."
    await desk.work(until=desk.services.clock() + timedelta(hours=1))
    found = await desk.payment(paid)
    assert (found["status"], found["failure"], await given_back(desk, road, paid)) == ("RETURNED", None, [900])
    assert (await verify(database)).findings == ()


async def test_what_was_paid_at_the_till_goes_back_at_the_till(
    desk: Desk, road: Road, nothing_written: Unchanged, stranger: Person
) -> None:
    cash = await sell(desk.api, desk.owner, line(await make_product(desk.api, desk.owner, "Cup", stock=1)))
    await refund(desk.api, desk.owner, cash)
    found = await made(desk, cash)
    assert (found["status"], road.calls) == ("SUCCEEDED", [])
    async with nothing_written():
        assert await desk.api.code(RETRY, {"id": found["id"]}, caller=desk.owner) == "CONFLICT"
        assert await desk.api.code(RETRY, {"id": found["id"]}, caller=stranger) == "NOT_FOUND"
        assert problems(await desk.api.execute(RETRY, {"id": cash["id"]}, caller=desk.owner)) == ["id"]


async def test_trying_the_job_and_the_refund_again_at_once_gives_it_back_once(desk: Desk, road: Road, paid: dict[str, Any]) -> None:
    road.faults = [200, 400]
    await refund(desk.api, desk.owner, paid, (0, 1))
    await desk.work()
    found = await made(desk, paid)
    await retry_job(desk, await job_of(desk, found))

    answers: list[dict[str, Any]] = []

    async def retry_the_refund() -> None:
        answers.append(await desk.api.execute(RETRY, {"id": found["id"]}, caller=desk.owner))
        await desk.work()

    road.meanwhile = retry_the_refund
    await desk.work()
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [450])
    assert [refusal(answer)[0] for answer in answers] == ["CONFLICT"]


async def test_a_job_that_another_one_took_the_place_of_gives_nothing_back(desk: Desk, road: Road, paid: dict[str, Any]) -> None:
    road.faults = [200, 400]
    await refund(desk.api, desk.owner, paid, (0, 1))
    await desk.work()
    found = await made(desk, paid)
    first = await job_of(desk, found)
    await desk.api.data(RETRY, {"id": found["id"]}, caller=desk.owner)

    async def retry_the_first() -> None:
        await retry_job(desk, first)
        await desk.work()

    road.meanwhile = retry_the_first
    await desk.work()
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [450])
    assert (await desk.job(first))["error"] == "Another job gives it back."


async def test_a_refund_whose_job_goes_on_trying_has_not_failed_however_often_it_was_begun(
    desk: Desk, road: Road, paid: dict[str, Any]
) -> None:
    road.faults = [200, *[500] * ATTEMPTS]
    await refund(desk.api, desk.owner, paid, (0, 1))
    moment = await try_in_vain(desk)
    found = await made(desk, paid)
    assert found["status"] == "FAILED"
    await retry_job(desk, await job_of(desk, found))
    road.faults = [500]
    await desk.work(until=moment)
    assert (await made(desk, paid))["status"] == "PENDING"
    assert await desk.api.code(RETRY, {"id": found["id"]}, caller=desk.owner) == "CONFLICT"
    await desk.work(until=moment + timedelta(hours=2))
    assert ((await made(desk, paid))["status"], await given_back(desk, road, paid)) == ("SUCCEEDED", [450])


async def job_of(desk: Desk, refund: dict[str, Any]) -> str:
    """The id of the job that a refund is given back by."""
    [row] = (await desk.services.database.command({"find": "refunds", "filter": {"_id": refund["id"]}}))["cursor"]["firstBatch"]
    id: str = row["job_id"]
    return id


async def retry_job(desk: Desk, id: str) -> None:
    await desk.api.data("mutation ($id: ID!) { retryJob(id: $id) { id } }", {"id": id}, caller=desk.owner)
