"""One attempt to deliver, and when the next is due."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from datastore.database import Database
from datastore.schema import WebhookDelivery, WebhookEndpoint
from datastore.sealing import Sealer
from resolvers.outward import Outward
from resolvers.services import Services
from resolvers.webhook_attempts import Attempted, attempt
from resolvers.webhook_signing import new_secret
from tests.receivers import Receiver, status
from tests.resolvers.hooks import ROTATE, TEST, make_endpoint, open_to_all, pass_by, sending

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
SECRET = new_secret()


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    outward = Outward(allow_private=True)
    yield outward
    await outward.close()


def endpoint(services: Services, url: str, **columns: Any) -> WebhookEndpoint:
    known: dict[str, Any] = dict.fromkeys(WebhookEndpoint.model_fields)
    known |= {"id": "whe_1", "account_id": "acc_1", "url": url, "secret": services.outside.sealer.seal(SECRET)}
    return WebhookEndpoint.model_construct(**known | columns)


def delivery(attempts: int = 0) -> WebhookDelivery:
    known: dict[str, Any] = dict.fromkeys(WebhookDelivery.model_fields)
    known |= {"id": "whd_1", "account_id": "acc_1", "body": '{"a":"ü"}', "attempts": attempts, "state": "WAITING"}
    return WebhookDelivery.model_construct(**known)


async def tried(services: Services, outward: Outward, url: str, attempts: int = 0) -> Attempted:
    return await attempt(replace(services, clock=lambda: NOW), outward, endpoint(services, url), delivery(attempts))


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_every_success_counts_as_delivered(services: Services, outward: Outward, receiver: Receiver, code: int) -> None:
    receiver.answer = lambda _: status(code)
    outcome = await tried(services, outward, receiver.url)
    assert (outcome.delivered, outcome.status, outcome.next_attempt_at) == (True, code, None)
    assert outcome.columns["state"] == "DELIVERED"


SCHEDULE = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


async def test_a_failure_is_tried_again_as_the_standard_says_and_then_given_up(
    services: Services, outward: Outward, receiver: Receiver
) -> None:
    receiver.answer = lambda _: status(500)
    for attempts, seconds in enumerate(SCHEDULE):
        outcome = await tried(services, outward, receiver.url, attempts)
        assert outcome.columns["state"] == "SCHEDULED"
        assert outcome.next_attempt_at is not None
        assert timedelta(seconds=seconds) <= outcome.next_attempt_at - NOW <= timedelta(seconds=1.1 * seconds)
    last = await tried(services, outward, receiver.url, len(SCHEDULE))
    assert (last.next_attempt_at, last.columns["state"]) == (None, "FAILED")


async def test_an_answer_is_kept_as_text_and_not_for_long(services: Services, outward: Outward, receiver: Receiver) -> None:
    receiver.answer = lambda _: status(500, b"\xff\x00" + b"x" * 5000)
    outcome = await tried(services, outward, receiver.url)
    assert outcome.columns["response_body"] == "\ufffd\x00" + "x" * 998


async def test_a_secret_that_can_no_longer_be_opened_is_said(services: Services, outward: Outward, receiver: Receiver) -> None:
    other = endpoint(services, receiver.url, secret=Sealer(b"another", b"job").seal(SECRET))
    outcome = await attempt(services, outward, other, delivery())
    assert not outcome.delivered
    assert "Rotate it" in outcome.words
    assert receiver.received == []


async def test_messages_can_be_verified_with_both_secrets_for_a_day_after_a_rotation(
    services: Services, database: Database, receiver: Receiver
) -> None:
    api, clock = open_to_all(services, datetime.now(UTC).replace(tzinfo=None).isoformat())
    owner = await api.sign_up()
    made = await make_endpoint(api, owner, receiver.url)
    rotated = (await api.data(ROTATE, {"id": made["id"]}, caller=owner))["rotateWebhookSecret"]
    async with sending(api.services) as process:
        await api.data(TEST, {"id": made["id"]}, caller=owner)
        process.wake()
        [first] = await receiver.count(1)
        for secret in (made["secret"], rotated["secret"]):
            assert Webhook(secret).verify(first.body, first.headers)["type"] == "webhook.test"
        assert len(first.headers["webhook-signature"].split(" ")) == 2
        await pass_by(api, clock, process, hours=25)
        await api.data(TEST, {"id": made["id"]}, caller=owner)
        process.wake()
        _, second = await receiver.count(2)
        assert len(second.headers["webhook-signature"].split(" ")) == 1
