"""How much of a queue waits, and for how long it has: for operators, across all accounts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from datastore.database import Database, Document
from datastore.schema import JobTicket, WebhookQueue

MOST_COUNTED: Final = 1000
_EVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many are due, MOST_COUNTED at most, and for how long the first of them has been."""

    due: int
    age: timedelta


async def backlog_of_jobs(database: Database, now: datetime) -> Backlog:
    """The tickets that wait for a worker. Raises UnavailableError."""
    return await _backlog(database, JobTicket.spec.name, now, {})


async def backlog_of_webhooks(database: Database, now: datetime) -> Backlog:
    """The endpoints with messages that are due, without those that are left alone because they fail. Raises UnavailableError."""
    return await _backlog(database, WebhookQueue.spec.name, now, {"paused_until": {"$lte": now}})


async def _backlog(database: Database, table: str, now: datetime, besides: Document) -> Backlog:
    due = {"due_at": {"$gte": _EVER, "$lte": now}, **besides}
    count = await database.read({"count": table, "query": due, "hint": "by_due", "limit": MOST_COUNTED})
    first = await database.read({"find": table, "filter": due, "sort": {"due_at": 1}, "hint": "by_due", "limit": 1})
    ages = [now - document["due_at"] for document in first["cursor"]["firstBatch"]]
    return Backlog(count["n"], max(ages, default=timedelta(0)))
