"""The queues of deliveries, one for each endpoint, as the processes that send take them.

A queue is held by one process at a time, by a lease. That is what keeps the messages about one row in order; across rows the holder
sends several at once. Each step is one write of one document (or of documents that nobody else writes meanwhile): what became of a
delivery holds only if nobody has noted another attempt since, so that a process that lost its lease unawares can spoil nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from datastore.database import MAJORITY, Database, Document
from datastore.schema_webhooks import WebhookDelivery, WebhookEndpoint, WebhookQueue
from datastore.webhook_feed import DELIVERIES, ENDPOINTS, EVER, QUEUES

_AT_ONCE: Final = 1000
_MOST_PASSED_OVER: Final = 500
_UNSENT: Final = ["WAITING", "SCHEDULED"]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A delivery that is to be tried again."""

    id: str
    row_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookQueues:
    """The queues of all endpoints; `holder` names the process. Every method raises UnavailableError."""

    database: Database
    holder: str
    lease: timedelta

    async def claim(self, now: datetime) -> WebhookQueue | None:
        """The queue that has been due longest, held until the lease ends; None where none is due."""
        free = {"due_at": {"$lte": now}, "lease_until": {"$lte": now}, "paused_until": {"$lte": now}}
        return await self._change(free, {"holder": self.holder, "lease_until": now + self.lease}, now, sort={"due_at": 1}, hint="by_due")

    async def renew(self, queue: WebhookQueue, now: datetime) -> WebhookQueue | None:
        """The queue as it is now, held on; None where it is this process's no more."""
        held = {"endpoint_id": queue.endpoint_id, "holder": self.holder, "lease_until": {"$gt": now}}
        return await self._change(held, {"lease_until": now + self.lease}, now)

    async def lay_back(self, queue: WebhookQueue, now: datetime, *, due_at: datetime | None, failures: int) -> bool:
        """Lets go of a queue until something is due; false where something was put in that its holder has not seen, or it is lost."""
        changes = {"due_at": due_at, "failures": failures, "holder": None, "lease_until": EVER}
        return await self._change({**self._held(queue), "wanted": queue.wanted}, changes, now) is not None

    async def pause(self, queue: WebhookQueue, now: datetime, *, until: datetime, failures: int) -> bool:
        """Lets go of a queue until a moment, for its receiver fails; false where it is to be asked all the same, or it is lost."""
        changes = {"due_at": until, "paused_until": until, "failures": failures, "holder": None, "lease_until": EVER}
        return await self._change({**self._held(queue), "failures": queue.failures}, changes, now) is not None

    async def release_all(self, now: datetime) -> None:
        """Lets others have at once what this process holds."""
        statement = {"q": {"holder": self.holder}, "u": {"$set": {"holder": None, "lease_until": EVER, "due_at": now}}, "multi": True}
        await self.database.command({"update": QUEUES, "updates": [statement], "writeConcern": MAJORITY})

    async def endpoint(self, queue: WebhookQueue) -> WebhookEndpoint | None:
        """The endpoint of a queue; None where it is gone."""
        found = await self._find(ENDPOINTS, {"_id": queue.endpoint_id}, hint="_id_", limit=1)
        return WebhookEndpoint.from_document(found[0]) if found else None

    async def scheduled(self, queue: WebhookQueue, limit: int) -> list[Scheduled]:
        """The deliveries that are to be tried again, in order."""
        columns = dict.fromkeys(("row_id", "next_attempt_at"), 1)
        found = await self._find(DELIVERIES, self._in(queue, "SCHEDULED"), hint="by_number", limit=limit, projection=columns)
        return [Scheduled(row["_id"], row["row_id"], row["next_attempt_at"]) for row in found]

    async def waiting(self, queue: WebhookQueue, *, after: int, limit: int, besides: Collection[str]) -> list[WebhookDelivery]:
        """The first deliveries behind a number that have not been tried, without those about some rows (of many, without some of them)."""
        others = {"row_id": {"$nin": list(islice(besides, _MOST_PASSED_OVER))}} if besides else {}
        query = self._in(queue, "WAITING") | {"number": {"$gt": after}} | others
        return list(map(WebhookDelivery.from_document, await self._find(DELIVERIES, query, hint="by_number", limit=limit)))

    async def next_of_row(self, queue: WebhookQueue, row_id: str, *, up_to: int) -> WebhookDelivery | None:
        """The first delivery about a row that has not been tried, with a number up to one."""
        query = self._in(queue, "WAITING") | {"row_id": row_id, "number": {"$lte": up_to}}
        found = await self._find(DELIVERIES, query, hint="by_row", limit=1)
        return WebhookDelivery.from_document(found[0]) if found else None

    async def unsent(self, queue: WebhookQueue, id: str) -> WebhookDelivery | None:
        """The delivery with this id; None where it has been sent or given up since."""
        found = await self._find(DELIVERIES, {"_id": id, "account_id": queue.account_id, "state": {"$in": _UNSENT}}, hint="_id_", limit=1)
        return WebhookDelivery.from_document(found[0]) if found else None

    async def note(self, delivery: WebhookDelivery, now: datetime, outcome: Mapping[str, Any]) -> None:
        """Notes what came of an attempt."""
        query = {"_id": delivery.id, "account_id": delivery.account_id, "state": {"$in": _UNSENT}, "attempts": delivery.attempts}
        changes = {**outcome, "attempts": delivery.attempts + 1, "last_attempt_at": now, "updated_at": now}
        await self._update(DELIVERIES, {"q": query, "u": {"$set": changes}})

    async def note_failing(self, endpoint: WebhookEndpoint, now: datetime, since: datetime | None) -> None:
        """Notes since when an endpoint has failed; None: it does not."""
        later: Document = {"$max": [now, {"$add": ["$updated_at", 1]}]}
        changes = [{"$set": {"failing_since": {"$literal": since}, "updated_at": later}}]
        await self._update(ENDPOINTS, {"q": {"_id": endpoint.id, "account_id": endpoint.account_id}, "u": changes})

    async def hasten(self, queue: WebhookQueue, now: datetime) -> None:
        """Has all that is to be tried again tried at once."""
        query = self._in(queue, "SCHEDULED")
        await self._update(DELIVERIES, {"q": query, "u": {"$set": {"next_attempt_at": now}}, "multi": True})

    async def purge(self, queue: WebhookQueue, now: datetime) -> None:
        """Deletes a closed queue with all its deliveries."""
        await self.forget(queue, None)
        query = {"endpoint_id": queue.endpoint_id, "wanted": queue.wanted}
        reply = await self.database.command({"delete": QUEUES, "deletes": [{"q": query, "limit": 1}], "writeConcern": MAJORITY})
        if not reply["n"]:
            await self._change(self._held(queue), {"due_at": now, "holder": None, "lease_until": EVER}, now)

    async def forget(self, queue: WebhookQueue, before: datetime | None) -> None:
        """Deletes the endpoint's deliveries that were made before a moment, or all; a portion at a time."""
        older: Document = {} if before is None else {"created_at": {"$lt": before}}
        query = {"account_id": queue.account_id, "endpoint_id": queue.endpoint_id, **older}
        while True:
            found = await self._find(DELIVERIES, query, hint="by_created", limit=_AT_ONCE, projection={"_id": 1})
            ids = [row["_id"] for row in found]
            await self.database.command(
                {"delete": DELIVERIES, "deletes": [{"q": {"_id": {"$in": ids}, "account_id": queue.account_id}, "limit": 0}]}
            )
            if len(ids) < _AT_ONCE:
                return

    async def all(self, after: str = "", limit: int = _AT_ONCE) -> list[WebhookQueue]:
        """The queues of all endpoints behind an endpoint's id."""
        found = await self._find(QUEUES, {"endpoint_id": {"$gt": after}}, hint="by_endpoint", limit=limit, sort={"endpoint_id": 1})
        return list(map(WebhookQueue.from_document, found))

    async def close_orphans(self, queues: Sequence[WebhookQueue], now: datetime) -> None:
        """Closes those queues whose endpoints are gone, as they are after a whole account was deleted."""
        ids = [queue.endpoint_id for queue in queues]
        there = await self._find(ENDPOINTS, {"_id": {"$in": ids}}, hint="_id_", limit=len(ids), projection={"_id": 1})
        gone = sorted({*ids} - {row["_id"] for row in there})
        if gone:
            changes = {"$set": {"closed": True, "due_at": now, "updated_at": now}, "$inc": {"wanted": 1}}
            await self._update(QUEUES, {"q": {"endpoint_id": {"$in": gone}}, "u": changes, "multi": True})

    async def count_waiting(self, account_id: str, endpoint_id: str, most: int) -> int:
        """How many deliveries of an endpoint have not been tried; `most` where there are more."""
        query = {"account_id": account_id, "endpoint_id": endpoint_id, "state": "WAITING"}
        reply = await self.database.read({"count": DELIVERIES, "query": query, "limit": most, "hint": "by_number"})
        return int(reply["n"])

    def _held(self, queue: WebhookQueue) -> Document:
        return {"endpoint_id": queue.endpoint_id, "holder": self.holder}

    def _in(self, queue: WebhookQueue, state: str) -> Document:
        return {"account_id": queue.account_id, "endpoint_id": queue.endpoint_id, "state": state}

    async def _change(self, query: Document, changes: Document, now: datetime, **options: object) -> WebhookQueue | None:
        reply = await self.database.command(
            {
                "findAndModify": QUEUES,
                "query": query,
                "update": {"$set": {**changes, "updated_at": now}},
                "new": True,
                **options,
                "writeConcern": MAJORITY,
            }
        )
        return None if reply["value"] is None else WebhookQueue.from_document(reply["value"])

    async def _update(self, table: str, statement: Document) -> None:
        await self.database.command({"update": table, "updates": [statement], "writeConcern": MAJORITY})

    async def _find(self, table: str, query: Document, *, limit: int, hint: str, **options: object) -> list[Document]:
        sort = {"sort": {"number": 1}} if hint in {"by_number", "by_row"} else {}
        command = {"find": table, "filter": query, "hint": hint, "limit": limit, "batchSize": limit + 1, **sort, **options}
        found: list[Document] = (await self.database.read(command))["cursor"]["firstBatch"]
        return found
