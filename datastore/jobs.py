"""The queue of durable work: jobs, which a business sees, and their tickets, which workers take.

A job and its ticket are written in the transaction that schedules it (`schedule`). Everything after that is one write of one document
each, because the order of the writes is enough:

- `claim` takes the first ticket that is due, by moving its `due_at` to the end of a lease and counting up its `attempt`, as one atomic
  step. A worker that dies lets the lease run out, and the ticket is due again: nothing is lost, and no list of workers is needed.
- Every write to the job holds only if the job is at this very attempt (`attempts`) and has not ended. So of two workers, one of which was
  thought dead, just one has its say, and a job that has ended stays so.
- The job is ended before its ticket is deleted. Whoever dies between the two leaves a ticket whose job has ended, which is then dropped.

Moments are those of the caller's clock. A worker whose clock is ahead takes tickets that much early; a lease is only endangered by a clock
that is ahead by more than what is left of it between two heartbeats (two thirds, 20 seconds of 30), and then the job is begun twice, as at
least once allows, while one of both is heard.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from datastore.database import MAJORITY, Database, Document
from datastore.schema_jobs import Job, JobStatus, JobTicket
from datastore.writing import Writer

JOBS: Final = Job.spec.name
TICKETS: Final = JobTicket.spec.name
WAKING: Final[Document] = {
    "$or": [
        {"ns.coll": TICKETS, "operationType": "insert"},
        {"ns.coll": TICKETS, "updateDescription.updatedFields.worker": {"$type": "null"}},
        {"ns.coll": JOBS, "updateDescription.updatedFields.cancel_asked": True},
    ]
}
"""The events of the change stream that a worker must hear of: a ticket that is there to be taken, a job that is to stop."""

_UNDER_WAY: Final = ["QUEUED", "RUNNING"]
_EVER: Final = datetime.fromtimestamp(0, UTC)


async def schedule(db: Writer, *, kind: str, arguments: Mapping[str, Any], listed: bool, now: datetime, at: datetime) -> Job:
    """Stores a job that is due at a moment, in the transaction of the writer.

    Raises TypeError for arguments that JSON does not hold, InvalidInputError where they are too long.
    """
    job = Job(
        id=Job.new_id(),
        created_at=now,
        updated_at=now,
        account_id=db.scope.account_id,
        kind=kind,
        user_id=db.scope.user_id,
        listed=listed,
        arguments=json.dumps(arguments, ensure_ascii=False, allow_nan=False),
        status="QUEUED",
        attempts=0,
        done=0,
        total=None,
        error=None,
        result=None,
        file_id=None,
        run_at=at,
        started_at=None,
        finished_at=None,
        cancel_asked=False,
    )
    stored = await db.insert(job)
    await db.put_ticket(_ticket_of(stored, now, at))
    return stored


async def schedule_again(db: Writer, job: Job, now: datetime) -> Job:
    """Puts a job that has ended back into the queue, with all of its attempts before it."""
    changed = await db.update(job, status="QUEUED", error=None, run_at=now, finished_at=None, cancel_asked=False)
    await db.drop_ticket(job)
    await db.put_ticket(_ticket_of(changed, now, now))
    return changed


def _ticket_of(job: Job, now: datetime, at: datetime) -> JobTicket:
    return JobTicket(
        id=JobTicket.new_id(),
        created_at=now,
        updated_at=now,
        job_id=job.id,
        account_id=job.account_id,
        kind=job.kind,
        due_at=at,
        worker=None,
        attempt=job.attempts,
        pardoned=job.attempts,
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of a job."""

    status: JobStatus
    error: str | None = None
    result: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobQueue:
    """The tickets, as one worker takes them; `worker` names it. Every method raises UnavailableError."""

    database: Database
    worker: str
    lease: timedelta

    async def claim(self, kinds: Collection[str], now: datetime) -> JobTicket | None:
        """The first ticket of these kinds that is due, taken until the lease ends; None where none is."""
        changes = {"$set": {"due_at": now + self.lease, "worker": self.worker, "updated_at": now}, "$inc": {"attempt": 1}}
        reply = await self.database.command(
            {
                "findAndModify": TICKETS,
                "query": {"due_at": {"$lte": now}, "kind": {"$in": sorted(kinds)}},
                "sort": {"due_at": 1},
                "hint": "by_due",
                "update": changes,
                "new": True,
                "writeConcern": MAJORITY,
            }
        )
        return None if reply["value"] is None else JobTicket.from_document(reply["value"])

    async def next_due(self, kinds: Collection[str]) -> datetime | None:
        """When the first ticket of these kinds is due."""
        reply = await self.database.read(
            {
                "find": TICKETS,
                "filter": {"due_at": {"$gte": _EVER}, "kind": {"$in": sorted(kinds)}},
                "sort": {"due_at": 1},
                "hint": "by_due",
                "limit": 1,
            }
        )
        found: list[Document] = reply["cursor"]["firstBatch"]
        return None if not found else found[0]["due_at"]

    async def begin(self, ticket: JobTicket, now: datetime) -> Job | None:
        """The job of a ticket, running from now on; None where it has ended, is gone, or somebody else has begun it since."""
        earlier = {"attempts": {"$lt": ticket.attempt}}
        return await self._change(ticket, now, earlier, {"status": "RUNNING", "attempts": ticket.attempt, "started_at": now, "done": 0})

    async def note_progress(self, ticket: JobTicket, now: datetime, done: int, total: int | None) -> Job | None:
        """Says how far the job has come; None where it is somebody else's by now."""
        return await self._change(ticket, now, _at(ticket), {"done": done, "total": total})

    async def extend(self, ticket: JobTicket, now: datetime) -> bool:
        """Moves the end of the lease on; whether the ticket is still this worker's."""
        return await self._move(ticket, now, {"due_at": now + self.lease})

    async def end(self, ticket: JobTicket, now: datetime, ending: Ending) -> bool:
        """Ends the job, and drops its ticket; whether it was this worker's to end."""
        changes = {"status": ending.status, "error": ending.error, "result": ending.result, "file_id": ending.file_id, "finished_at": now}
        ended = await self._change(ticket, now, _at(ticket), changes)
        await self.drop(ticket)
        return ended is not None

    async def put_off(self, ticket: JobTicket, now: datetime, at: datetime, error: str) -> bool:
        """Has a job that failed tried again at a moment; whether it was this worker's."""
        failed = await self._change(ticket, now, _at(ticket), {"status": "QUEUED", "error": error, "run_at": at})
        return failed is not None and await self._move(ticket, now, {"due_at": at, "worker": None})

    async def give_back(self, ticket: JobTicket, now: datetime) -> bool:
        """Has a job begun again at once by whoever can, as if it had not been begun; whether it was this worker's."""
        stopped = await self._change(ticket, now, _at(ticket), {"status": "QUEUED", "run_at": now})
        return stopped is not None and await self.pardon(ticket, now, now)

    async def pardon(self, ticket: JobTicket, now: datetime, at: datetime) -> bool:
        """Lays a ticket back, to be due at a moment, with none of its attempts counting as failed; whether it was this worker's."""
        return await self._move(ticket, now, {"due_at": at, "worker": None, "pardoned": ticket.pardoned + 1})

    async def renew(self, ticket: JobTicket, now: datetime, at: datetime) -> bool:
        """Lays a cron's ticket back until its next time; whether it was this worker's."""
        return await self._move(ticket, now, {"due_at": at, "worker": None, "pardoned": ticket.attempt})

    async def lay_back(self, ticket: JobTicket, now: datetime, at: datetime) -> bool:
        """Lays the ticket of a cron that failed back until a moment; whether it was this worker's."""
        return await self._move(ticket, now, {"due_at": at, "worker": None})

    async def drop(self, ticket: JobTicket) -> None:
        """Deletes the ticket, if it is still this worker's."""
        await self.database.command({"delete": TICKETS, "deletes": [{"q": _held(ticket), "limit": 1}], "writeConcern": MAJORITY})

    async def plan(self, kind: str, now: datetime, period: timedelta) -> None:
        """Makes the ticket of a cron, due at once, where there is none; a period that became shorter holds at once."""
        first = JobTicket(
            id=JobTicket.new_id(),
            created_at=now,
            updated_at=now,
            job_id=kind,
            account_id="",
            kind=kind,
            due_at=now,
            worker=None,
            attempt=0,
            pardoned=0,
        )
        updates = [
            # Of two processes that make it at once, one meets the unique index: then it is there, and that is all that was wanted.
            {"q": {"job_id": kind}, "u": {"$setOnInsert": first.to_document()}, "upsert": True},
            {"q": {"job_id": kind, "due_at": {"$gt": now + max(period, self.lease)}}, "u": {"$set": {"due_at": now}}},
        ]
        await self.database.command({"update": TICKETS, "updates": updates, "ordered": False, "writeConcern": MAJORITY})

    async def _change(self, ticket: JobTicket, now: datetime, condition: Document, changes: Mapping[str, Any]) -> Job | None:
        """The job after a change that holds only under a condition, and if it has not ended."""
        query = {"_id": ticket.job_id, "account_id": ticket.account_id, "status": {"$in": _UNDER_WAY}, **condition}
        # What was read before is then known to be old (see `datastore/rows.py`).
        later: Document = {"$max": [now, {"$add": ["$updated_at", 1]}]}
        update = [{"$set": {**{name: {"$literal": value} for name, value in changes.items()}, "updated_at": later}}]
        reply = await self.database.command(
            {"findAndModify": JOBS, "query": query, "update": update, "new": True, "writeConcern": MAJORITY}
        )
        return None if reply["value"] is None else Job.from_document(reply["value"])

    async def _move(self, ticket: JobTicket, now: datetime, changes: Mapping[str, Any]) -> bool:
        statement = {"q": _held(ticket), "u": {"$set": {**changes, "updated_at": now}}}
        reply = await self.database.command({"update": TICKETS, "updates": [statement], "writeConcern": MAJORITY})
        return bool(reply["n"])


def _at(ticket: JobTicket) -> Document:
    return {"attempts": ticket.attempt, "status": "RUNNING"}


def _held(ticket: JobTicket) -> Document:
    return {"_id": ticket.id, "worker": ticket.worker, "attempt": ticket.attempt}
