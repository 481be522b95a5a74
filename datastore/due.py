"""What is due, of whichever account: for work on a schedule, which begins with nobody's request.

The only reads across accounts besides `bulk.py`. They say no more than whose turn it is: whoever acts on it reads and writes with a scope
of that account.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from datastore.database import Database
from datastore.schema import DoomedBytes, File, RecurringExpense, SummaryMail

BATCH: Final = 1000
_INDEX: Final = "by_next"
_EVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class DueBooking:
    """A recurring expense that is to be booked for the day `due_on` of its account's time zone, and who set it up."""

    account_id: str
    user_id: str
    recurring_id: str
    due_on: str


@dataclass(frozen=True, slots=True)
class DueSummary:
    """A business whose daily summary is due, and who switched it on."""

    account_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class DueFile:
    """A file that is past its time, and who uploaded it."""

    account_id: str
    user_id: str
    file_id: str


@dataclass(frozen=True, slots=True)
class DoomedPrefix:
    """Objects that the S3 store is to delete: all whose keys begin so. `id` is that of the row that says it."""

    id: str
    prefix: str


async def due_bookings(database: Database, last_day: str) -> AsyncGenerator[DueBooking, None]:
    """All recurring expenses whose next day is `last_day` or earlier. Raises UnavailableError where the database is lost on the way.

    The index begins with the account, and the server leaps from each account's last due day to the next account: the cost is that of the
    accounts that have recurring expenses and of what is due, not of all that recurs.
    """
    table = RecurringExpense.spec.name
    reply = await database.read(
        {
            "find": table,
            # The condition on the account lets nobody through or out; the server leaps only where each key of the index has one.
            "filter": {"account_id": {"$gt": ""}, "next_on": {"$gt": "", "$lte": last_day}},
            "projection": {"account_id": 1, "recorded_by_id": 1, "next_on": 1},
            "hint": _INDEX,
            "batchSize": BATCH,
        }
    )
    async for document in _all(database, table, reply):
        yield DueBooking(document["account_id"], document["recorded_by_id"], document["_id"], document["next_on"])


async def due_summaries(database: Database, now: datetime) -> AsyncGenerator[DueSummary, None]:
    """All businesses whose daily summary is due by now. Raises UnavailableError where the database is lost on the way."""
    table = SummaryMail.spec.name
    reply = await database.read(
        {
            "find": table,
            "filter": {"account_id": {"$gt": ""}, "due_at": {"$gt": _EVER, "$lte": now}},
            "projection": {"account_id": 1, "user_id": 1},
            "hint": "by_due",
            "batchSize": BATCH,
        }
    )
    async for document in _all(database, table, reply):
        yield DueSummary(document["account_id"], document["user_id"])


async def due_files(database: Database, now: datetime, binned_before: datetime) -> AsyncGenerator[DueFile, None]:
    """All files that have been in the bin since before a moment, then all that were to be READY by now and are not.

    Raises UnavailableError where the database is lost on the way.
    """
    table = File.spec.name
    conditions = (
        ("by_deleted", {"shelf": {"$eq": "BIN"}, "deleted_at": {"$gt": _EVER, "$lte": binned_before}}),
        ("by_lapse", {"lapses_at": {"$gt": _EVER, "$lte": now}}),
    )
    for index, condition in conditions:
        found = {"find": table, "filter": {"account_id": {"$gt": ""}, **condition}, "projection": {"account_id": 1, "uploaded_by_id": 1}}
        reply = await database.read({**found, "hint": index, "batchSize": BATCH})
        async for document in _all(database, table, reply):
            yield DueFile(document["account_id"], document["uploaded_by_id"], document["_id"])


async def doomed_prefixes(database: Database) -> AsyncGenerator[DoomedPrefix, None]:
    """All that the S3 store is to delete. Raises UnavailableError where the database is lost on the way."""
    table = DoomedBytes.spec.name
    reply = await database.read({"find": table, "projection": {"prefix": 1}, "batchSize": BATCH})
    async for document in _all(database, table, reply):
        yield DoomedPrefix(document["_id"], document["prefix"])


async def _all(database: Database, table: str, reply: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
    """The documents of a cursor whose first batch is in this reply."""
    batch = reply["cursor"]["firstBatch"]
    while True:
        for document in batch:
            yield document
        if not reply["cursor"]["id"]:
            return
        reply = await database.command({"getMore": reply["cursor"]["id"], "collection": table, "batchSize": BATCH})
        batch = reply["cursor"]["nextBatch"]
