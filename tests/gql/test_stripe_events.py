"""`POST /webhooks/stripe` over HTTP, as Stripe and as anybody else posts to it."""

from typing import Any

import httpx
import pytest

from datastore.settings import Settings
from gql.stripe_events import MOST_BYTES
from tests.datastore.failpoints import failing
from tests.gql.api import Api
from tests.resolvers.card_desk import CREATE, awaited_sale
from tests.stripe_server import event, signature

PAYMENT = "query ($id: ID!) { sale(id: $id) { paymentStatus payments { id } } }"


async def post(url: str, body: bytes, **headers: str) -> httpx.Response:
    """Posts as Stripe does, signed where nothing else is said."""
    async with httpx.AsyncClient(base_url=url) as client:
        return await client.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature(body)} | headers)


async def paid_event(api: Api) -> tuple[bytes, Any]:
    """An event that says that a sale was paid, and what tells whether it is."""
    owner = await api.sign_up()
    sale = await awaited_sale(api, owner)
    await api.data(CREATE, {"saleId": sale["id"]}, caller=owner)
    [payment] = (await api.data(PAYMENT, {"id": sale["id"]}, caller=owner))["sale"]["payments"]
    metadata = {"tillstream_account": owner.account_id, "tillstream_payment": payment["id"]}
    body = event("payment_intent.succeeded", {"id": "pi_1", "amount": 900, "currency": "usd", "metadata": metadata})

    async def status() -> str:
        found: str = (await api.data(PAYMENT, {"id": sale["id"]}, caller=owner))["sale"]["paymentStatus"]
        return found

    return body, status


async def test_an_event_is_answered_with_200_whether_it_is_news_or_not(api: Api, live_server: str) -> None:
    body, status = await paid_event(api)
    for taken in (True, False):
        answer = await post(live_server, body)
        assert (answer.status_code, answer.json(), await status()) == (200, {"received": True, "taken": taken}, "PAID")
    answer = await post(live_server, event("price.created", {"id": "price_1"}))
    assert (answer.status_code, answer.json()["taken"]) == (200, False)


async def test_what_stripe_did_not_sign_is_answered_with_400_and_changes_nothing(api: Api, live_server: str) -> None:
    body, status = await paid_event(api)
    for headers in ({"Stripe-Signature": signature(body, secret="whsec_other")}, {"Stripe-Signature": ""}):
        answer = await post(live_server, body, **headers)
        assert (answer.status_code, answer.json()["code"], await status()) == (400, "INVALID_INPUT", "PENDING")
    answer = await post(live_server, body[:-1], **{"Stripe-Signature": signature(body)})
    assert (answer.status_code, await status()) == (400, "PENDING")


async def test_a_body_that_is_too_long_is_not_read_to_its_end(live_server: str) -> None:
    answer = await post(live_server, b" " * (MOST_BYTES + 1))
    assert answer.status_code == 413


async def test_only_posts_are_taken_here(live_server: str) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        assert (await client.get("/webhooks/stripe")).status_code == 405


@pytest.mark.faults
async def test_while_the_database_is_away_stripe_is_asked_to_send_it_again(api: Api, live_server: str, settings: Settings) -> None:
    body, status = await paid_event(api)
    assert settings.mongodb_uri is not None
    async with failing(settings.mongodb_uri, "find"):
        answer = await post(live_server, body)
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert (await post(live_server, body)).status_code == 200
    assert await status() == "PAID"
