"""The queues of webhooks: one process holds one, and lets go of it only when it has seen all that was put in."""

from datetime import UTC, datetime, timedelta
from typing import Any

from datastore.database import Database
from datastore.schema import WebhookQueue
from datastore.webhook_feed import EVER
from datastore.webhook_queue import WebhookQueues

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)


async def stored(database: Database, **columns: Any) -> None:
    row = WebhookQueue(
        id=WebhookQueue.new_id(),
        created_at=NOW,
        updated_at=NOW,
        endpoint_id=columns.get("endpoint_id", "whe_1"),
        account_id="acc_1",
        due_at=columns.get("due_at", NOW),
        wanted=0,
        holder=None,
        lease_until=EVER,
        paused_until=EVER,
        failures=0,
        closed=False,
    )
    await database.command({"insert": WebhookQueue.spec.name, "documents": [row.to_document()]})


async def put_in(database: Database) -> None:
    update = {"q": {}, "u": {"$inc": {"wanted": 1}, "$set": {"due_at": NOW}}}
    await database.command({"update": WebhookQueue.spec.name, "updates": [update]})


async def test_a_queue_is_held_by_one_process_until_its_lease_ends(database: Database) -> None:
    one, other = WebhookQueues(database, "one", LEASE), WebhookQueues(database, "other", LEASE)
    await stored(database)
    held = await one.claim(NOW)
    assert held is not None
    assert await other.claim(NOW + timedelta(seconds=29)) is None
    assert await one.renew(held, NOW + timedelta(seconds=29)) is not None
    assert await other.claim(NOW + timedelta(seconds=58)) is None
    assert await other.claim(NOW + timedelta(seconds=59)) is not None
    assert await one.renew(held, NOW + timedelta(seconds=59)) is None
    assert not await one.lay_back(held, NOW + timedelta(seconds=59), due_at=None, failures=0)
    assert await other.claim(NOW + timedelta(seconds=59)) is None


async def test_the_queue_that_has_been_due_longest_comes_first_and_none_before_it_is_due(database: Database) -> None:
    queues = WebhookQueues(database, "one", LEASE)
    for name, due_at in (("b", NOW), ("a", NOW - timedelta(seconds=1)), ("c", NOW + timedelta(seconds=1)), ("d", None)):
        await stored(database, endpoint_id=name, due_at=due_at)
    claimed = [await queues.claim(NOW) for _ in range(3)]
    assert [queue and queue.endpoint_id for queue in claimed] == ["a", "b", None]


async def test_a_queue_is_not_laid_back_while_there_is_something_that_its_holder_has_not_seen(database: Database) -> None:
    queues = WebhookQueues(database, "one", LEASE)
    await stored(database)
    held = await queues.claim(NOW)
    assert held is not None
    await put_in(database)
    assert not await queues.lay_back(held, NOW, due_at=None, failures=0)
    seen = await queues.renew(held, NOW)
    assert seen is not None
    assert await queues.lay_back(seen, NOW, due_at=None, failures=0)
    assert await queues.claim(NOW + timedelta(days=1)) is None
    await put_in(database)
    assert await queues.claim(NOW) is not None


async def test_a_queue_that_pauses_is_left_alone_whatever_is_put_in(database: Database) -> None:
    queues = WebhookQueues(database, "one", LEASE)
    await stored(database)
    held = await queues.claim(NOW)
    assert held is not None
    await queues.pause(held, NOW, until=NOW + timedelta(minutes=1), failures=7)
    await put_in(database)
    assert await queues.claim(NOW + timedelta(seconds=59)) is None
    again = await queues.claim(NOW + timedelta(seconds=60))
    assert again is not None
    assert again.failures == 7


async def test_what_a_process_held_that_stops_is_free_at_once(database: Database) -> None:
    one, other = WebhookQueues(database, "one", LEASE), WebhookQueues(database, "other", LEASE)
    await stored(database)
    await one.claim(NOW)
    await other.release_all(NOW)
    assert await other.claim(NOW) is None
    await one.release_all(NOW)
    assert await other.claim(NOW) is not None
