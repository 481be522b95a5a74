from typing import Any

from datastore.database import Database
from datastore.erasing import erase_rows
from datastore.schema import Account, Counter, Job, JobTicket
from resolvers.services import utc_now
from tests.datastore.samples import stored


async def counted(database: Database, account_id: str) -> list[str]:
    now = utc_now()
    made: Any = {"created_at": now, "updated_at": now, "account_id": account_id}
    rows = [Counter(id=Counter.new_id(), series=f"{number}", value=number, **made) for number in range(3)]
    for row in rows:
        await stored(database, row)
    return [row.id for row in rows]


async def ids(database: Database, table: str) -> set[str]:
    reply = await database.command({"find": table, "projection": {"_id": 1}})
    return {document["_id"] for document in reply["cursor"]["firstBatch"]}


async def test_an_account_is_erased_a_batch_at_a_time_and_no_other(database: Database) -> None:
    gone, kept = Account.new_id(), Account.new_id()
    await counted(database, gone)
    left = await counted(database, kept)
    assert [number async for number in erase_rows(database, gone)] == [3]
    assert await ids(database, "counters") == set(left)
    assert [number async for number in erase_rows(database, gone)] == []


async def test_what_stands_for_a_row_goes_with_it(database: Database) -> None:
    now, account_id = utc_now(), Account.new_id()
    made: Any = {"created_at": now, "updated_at": now, "account_id": account_id}
    ticket = JobTicket(id=JobTicket.new_id(), job_id=Job.new_id(), kind="x", due_at=now, worker=None, attempt=0, pardoned=0, **made)
    await stored(database, ticket)
    row = {"_id": ticket.job_id, "account_id": account_id}
    await database.command({"insert": "jobs", "documents": [row], "bypassDocumentValidation": True})
    assert [number async for number in erase_rows(database, account_id)] == [1]
    assert await ids(database, "job_tickets") == set()
