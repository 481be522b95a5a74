"""From the changes to deliveries: one process of a deployment at a time leads, and any may take over where another has stopped.

The lead is a lease on one row, which also says how far the changes have been turned into deliveries. New deliveries, the wake-up of their
queues and the new position are one transaction, which holds only for who leads: each change becomes just one delivery for each endpoint
that wants it, whoever dies when, and two who both believe that they lead can't both commit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from datastore.changes import ChangeStream, of_owners
from datastore.database import MAJORITY, Database, Document, SnapshotLostError, timestamp_of
from datastore.feed import FOLLOWED, Position, end_of
from datastore.rows import insert_rows
from datastore.schema_webhooks import WebhookDelivery, WebhookEndpoint, WebhookFeed, WebhookQueue
from datastore.transactions import Transaction, run_transaction
from datastore.versions import BEGINNING, Version

FEED: Final = WebhookFeed.spec.name
ENDPOINTS: Final = WebhookEndpoint.spec.name
DELIVERIES: Final = WebhookDelivery.spec.name
QUEUES: Final = WebhookQueue.spec.name
EVER: Final = datetime.fromtimestamp(0, UTC)

MOST_ACCOUNTS: Final = 1000
"""Whose changes the server is asked for by name; where more have endpoints, all changes are looked at here."""
_BATCH: Final = 500
_NAME: Final = "webhooks"


class LeadLostError(Exception):
    """Another process leads now."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An endpoint that is switched on, and what it wants to be told of."""

    endpoint_id: str
    account_id: str
    user_id: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """Where the deliveries stand: behind which change, and at which number."""

    position: Position
    number: int


@dataclass(frozen=True, slots=True)
class WebhookLead:
    """The lead, as one process asks for it; `holder` names that. Moments are those of the caller's clock. Raises UnavailableError."""

    database: Database
    holder: str
    lease: timedelta

    async def take(self, now: datetime) -> Lead | None:
        """The lead until the lease ends, or on from now where it is held already; None while another process has it."""
        await begin_feed(self.database, now)
        reply = await self.database.command(
            {
                "findAndModify": FEED,
                "query": {"name": _NAME, "$or": [{"holder": self.holder}, {"lease_until": {"$lte": now}}]},
                "update": {"$set": {"holder": self.holder, "lease_until": now + self.lease, "updated_at": now}},
                "new": True,
                "writeConcern": MAJORITY,
            }
        )
        row = reply["value"]
        return None if row is None else Lead(Position(Version(row["time"]), row["token"]), row["number"])

    async def keep(self, position: Position, now: datetime) -> None:
        """Renews the lease, and notes that nothing up to a position has been left out. Raises LeadLostError."""
        statement = self._statement(position, now, {"lease_until": now + self.lease})
        reply = await self.database.command({"update": FEED, "updates": [statement], "writeConcern": MAJORITY})
        _check_held(reply["n"])

    async def commit(self, lead: Lead, deliveries: Sequence[WebhookDelivery], now: datetime, *, gaps: int = 0) -> None:
        """Stores deliveries, has their queues sent, and moves the lead on to where it then stands; what is for endpoints that have been
        deleted since is left out. Raises LeadLostError.
        """
        moved = self._statement(lead.position, now, {"lease_until": now + self.lease, "number": lead.number})
        moved["u"]["$inc"] = {"gaps": gaps}

        async def body(transaction: Transaction) -> None:
            _check_held(await transaction.write(WebhookFeed, {"update": FEED, "updates": [moved]}))
            there = await _with_queues(transaction, {each.endpoint_id for each in deliveries})
            kept = sorted((each for each in deliveries if each.endpoint_id in there), key=attrgetter("account_id"))
            for account_id, rows in groupby(kept, key=attrgetter("account_id")):
                await insert_rows(transaction, account_id, list(rows))
            if kept:
                counts = Counter(each.endpoint_id for each in kept)
                wakes = [_wake(endpoint_id, now, count) for endpoint_id, count in counts.items()]
                await transaction.write(WebhookQueue, {"update": QUEUES, "updates": wakes})

        await run_transaction(self.database, body)

    async def release(self, now: datetime) -> None:
        """Lets another process lead at once."""
        statement = {"q": {"name": _NAME, "holder": self.holder}, "u": {"$set": {"lease_until": EVER, "updated_at": now}}}
        await self.database.command({"update": FEED, "updates": [statement], "writeConcern": MAJORITY})

    def _statement(self, position: Position, now: datetime, changes: Mapping[str, object]) -> Document:
        where = {"time": int(position.time), "token": position.token, "updated_at": now}
        return {"q": {"name": _NAME, "holder": self.holder}, "u": {"$set": {**changes, **where}}}


async def begin_feed(database: Database, now: datetime) -> None:
    """Sees to it that no change from now on is left out, whenever the first process comes that leads. Raises UnavailableError."""
    reply = await database.read({"find": FEED, "filter": {"name": _NAME}, "projection": {"_id": 1}, "limit": 1, "hint": "by_name"})
    if reply["cursor"]["firstBatch"]:
        return
    position = end_of(await database.ping())
    row = WebhookFeed(
        id=WebhookFeed.new_id(),
        created_at=now,
        updated_at=now,
        name=_NAME,
        holder=None,
        lease_until=EVER,
        time=position.time,
        token=position.token,
        number=0,
        gaps=0,
    )
    # Of two that make it at once, one meets the unique index: then it is there, and that is all that was wanted.
    made = {"q": {"name": _NAME}, "u": {"$setOnInsert": row.to_document()}, "upsert": True}
    await database.command({"update": FEED, "updates": [made], "writeConcern": MAJORITY})


async def subscribers(database: Database, at: Version) -> list[Subscriber]:
    """All endpoints of all accounts that were switched on at a version; where that lies too far back, those that are now.

    Raises UnavailableError.
    """
    try:
        return await _subscribers(database, {"level": "snapshot", "atClusterTime": timestamp_of(at)})
    except SnapshotLostError:
        return await _subscribers(database, {"level": "majority"})


async def _subscribers(database: Database, concern: Document) -> list[Subscriber]:
    columns = ("account_id", "created_by_id", "events")
    found: list[Subscriber] = []
    after = ""
    while True:
        reply = await database.read(
            {
                "find": ENDPOINTS,
                "filter": {"_id": {"$gt": after}, "enabled": True},
                "projection": dict.fromkeys(columns, 1),
                "sort": {"_id": 1},
                "hint": "_id_",
                "limit": _BATCH,
                "batchSize": _BATCH + 1,
                "readConcern": concern,
            }
        )
        batch = reply["cursor"]["firstBatch"]
        found += [Subscriber(row["_id"], row["account_id"], row["created_by_id"], tuple(row["events"])) for row in batch]
        if len(batch) < _BATCH:
            return found
        after = batch[-1]["_id"]


def stream_for(database: Database, told: Sequence[Subscriber]) -> ChangeStream:
    """The changes of the accounts that these endpoints belong to, and of endpoints."""
    accounts = sorted({each.account_id for each in told})
    by_name = accounts if len(accounts) <= MOST_ACCOUNTS else []
    return ChangeStream(database, only=of_owners(*by_name, tables=FOLLOWED if told else (), besides=[ENDPOINTS]))


async def open_behind(stream: ChangeStream, position: Position) -> None:
    """Opens a stream that gives every change behind a position, and maybe some before it. Raises StreamLostError, GapError."""
    await stream.open(max(Version(position.time - 1), BEGINNING))


async def _with_queues(transaction: Transaction, endpoint_ids: Collection[str]) -> set[str]:
    """Those of the endpoints that have a queue."""
    if not endpoint_ids:
        return set()
    find = {"find": QUEUES, "filter": {"endpoint_id": {"$in": sorted(endpoint_ids)}}, "projection": {"endpoint_id": 1}}
    reply = await transaction.send({**find, "hint": "by_endpoint", "limit": len(endpoint_ids), "batchSize": len(endpoint_ids) + 1})
    return {row["endpoint_id"] for row in reply["cursor"]["firstBatch"]}


def _wake(endpoint_id: str, now: datetime, count: int) -> Document:
    return {"q": {"endpoint_id": endpoint_id}, "u": {"$set": {"due_at": now, "updated_at": now}, "$inc": {"wanted": count}}}


def _check_held(matched: int) -> None:
    if not matched:
        raise LeadLostError("another process leads now")
