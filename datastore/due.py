"""What is due, of whichever account: for work on a schedule, which begins with nobody's request.

The one read across accounts besides `bulk.py`. It says no more than whose turn it is: whoever acts on it reads and writes with a scope of
that account.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from datastore.database import Database
from datastore.schema import RecurringExpense

BATCH: Final = 1000
_INDEX: Final = "by_next"


@dataclass(frozen=True, slots=True)
class DueBooking:
    """A recurring expense that is to be booked for the day `due_on` of its account's time zone, and who set it up."""

    account_id: str
    user_id: str
    recurring_id: str
    due_on: str


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
    batch = reply["cursor"]["firstBatch"]
    while True:
        for document in batch:
            yield DueBooking(document["account_id"], document["recorded_by_id"], document["_id"], document["next_on"])
        if not reply["cursor"]["id"]:
            return
        reply = await database.command({"getMore": reply["cursor"]["id"], "collection": table, "batchSize": BATCH})
        batch = reply["cursor"]["nextBatch"]
