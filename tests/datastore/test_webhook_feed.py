"""The lead of the webhooks: one process has it, and what another writes does not count."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.feed import Position
from datastore.schema import WebhookDelivery
from datastore.versions import Version
from datastore.webhook_feed import Lead, LeadLostError, WebhookLead

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=15)


def delivery(**columns: Any) -> WebhookDelivery:
    id = WebhookDelivery.new_id()
    known: dict[str, Any] = dict.fromkeys(WebhookDelivery.model_fields)
    known |= {"id": id, "created_at": NOW, "updated_at": NOW, "account_id": "acc_1", "endpoint_id": "whe_1", "event": "a.b", "row_id": id}
    return WebhookDelivery.model_construct(**{**known, "body": "{}", "state": "WAITING", "number": 1, "attempts": 0, **columns})


async def rows(database: Database) -> int:
    return int((await database.command({"count": WebhookDelivery.spec.name}))["n"])


async def test_one_process_leads_until_its_lease_ends(database: Database) -> None:
    one, other = WebhookLead(database, "one", LEASE), WebhookLead(database, "other", LEASE)
    begun = await one.take(NOW)
    assert begun is not None
    assert begun.number == 0
    assert await other.take(NOW + timedelta(seconds=14)) is None
    assert await one.take(NOW + timedelta(seconds=14)) == begun
    position = Position(Version(begun.position.time + 5), "82")
    await one.keep(position, NOW + timedelta(seconds=14))
    assert await other.take(NOW + timedelta(seconds=28)) is None
    assert await other.take(NOW + timedelta(seconds=29)) == Lead(position, 0)
    with pytest.raises(LeadLostError):
        await one.keep(position, NOW)


async def test_a_lead_that_is_let_go_is_free_at_once(database: Database) -> None:
    one, other = WebhookLead(database, "one", LEASE), WebhookLead(database, "other", LEASE)
    await one.take(NOW)
    await other.release(NOW)
    assert await other.take(NOW) is None
    await one.release(NOW)
    assert await other.take(NOW) is not None


async def test_who_leads_no_more_writes_nothing(database: Database) -> None:
    one, other = WebhookLead(database, "one", LEASE), WebhookLead(database, "other", LEASE)
    begun = await one.take(NOW)
    assert begun is not None
    await other.take(NOW + LEASE)
    with pytest.raises(LeadLostError, match="another process"):
        await one.commit(Lead(Position(Version(1), ""), 7), [delivery()], NOW)
    assert await rows(database) == 0
    assert await other.take(NOW + LEASE) == begun


async def test_deliveries_to_an_endpoint_that_is_gone_are_left_out(database: Database) -> None:
    one = WebhookLead(database, "one", LEASE)
    await one.take(NOW)
    moved = Lead(Position(Version(1), ""), 7)
    await one.commit(moved, [delivery()], NOW)
    assert await rows(database) == 0
    assert await one.take(NOW) == moved


async def test_what_is_malformed_moves_nothing_on(database: Database) -> None:
    one = WebhookLead(database, "one", LEASE)
    begun = await one.take(NOW)
    await database.command({"insert": "webhook_queues", "documents": [{"endpoint_id": "whe_1"}], "bypassDocumentValidation": True})
    with pytest.raises(InvalidInputError):
        await one.commit(Lead(Position(Version(1), ""), 7), [delivery(state="SENT")], NOW)
    assert await one.take(NOW) == begun
