"""What operators are told of the queues: how many wait, and since when the first of them has been due."""

from datetime import UTC, datetime, timedelta
from typing import Any

from datastore.backlog import Backlog, backlog_of_jobs, backlog_of_webhooks
from datastore.database import Database
from datastore.schema import JobTicket, WebhookQueue
from datastore.tables import Row
from datastore.webhook_feed import EVER

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)
MADE: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}


async def store(database: Database, *rows: Row) -> None:
    await database.command({"insert": rows[0].spec.name, "documents": [row.to_document() for row in rows]})


def ticket(due_at: datetime) -> JobTicket:
    id = JobTicket.new_id()
    return JobTicket(id=id, job_id=id, account_id="acc_1", kind="x", due_at=due_at, worker=None, attempt=0, pardoned=0, **MADE)


def queue(due_at: datetime | None, paused_until: datetime = EVER) -> WebhookQueue:
    id = WebhookQueue.new_id()
    waiting: dict[str, Any] = {"due_at": due_at, "paused_until": paused_until, "lease_until": EVER, "holder": None, "wanted": 0}
    return WebhookQueue(id=id, endpoint_id=id, account_id="acc_1", failures=0, closed=False, **waiting, **MADE)


def before(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


async def test_of_an_empty_queue_nothing_waits(database: Database) -> None:
    assert await backlog_of_jobs(database, NOW) == await backlog_of_webhooks(database, NOW) == Backlog(0, timedelta(0))


async def test_jobs_that_are_due_count_and_the_first_of_them_says_since_when(database: Database) -> None:
    await store(database, *map(ticket, (before(1), before(7), NOW, before(-1), before(3))))
    assert await backlog_of_jobs(database, NOW) == Backlog(4, timedelta(minutes=7))


async def test_endpoints_count_that_something_is_to_be_sent_to_now(database: Database) -> None:
    await store(database, queue(before(2)), queue(before(5)), queue(None), queue(before(-1)), queue(before(9), paused_until=before(-1)))
    assert await backlog_of_webhooks(database, NOW) == Backlog(2, timedelta(minutes=5))
    assert (await backlog_of_webhooks(database, before(-1))).due == 4
