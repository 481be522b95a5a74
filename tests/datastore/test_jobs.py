"""The queue: who may take what, and whose word counts."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from datastore.database import Database
from datastore.jobs import Ending, JobQueue, schedule, schedule_again
from datastore.reading import Reader, Snapshot
from datastore.schema import Job, JobTicket
from datastore.scope import Scope
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.services import Services

NOON = datetime(2027, 2, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND
DONE = Ending("SUCCEEDED", result="{}")


async def put(database: Database, scope: Scope, at: datetime = NOON, kind: str = "print") -> Job:
    """A scheduled job."""

    async def body(transaction: Transaction) -> Job:
        return await schedule(Writer(transaction, scope), kind=kind, arguments={"of": "$a"}, listed=True, now=NOON, at=at)

    return (await run_transaction(database, body)).value


async def stored(services: Services, scope: Scope, id: str) -> Job:
    """A job as it is stored."""
    row = await Reader(Snapshot(services.database), scope, services.cursors).get(Job, id)
    assert row is not None
    return row


async def tickets(database: Database) -> list[JobTicket]:
    """All tickets."""
    reply = await database.command({"find": "job_tickets", "sort": {"_id": 1}})
    return [JobTicket.from_document(document) for document in reply["cursor"]["firstBatch"]]


@pytest.fixture
def queue(database: Database) -> JobQueue:
    """The queue, as a worker has it."""
    return JobQueue(database, "one", LEASE)


@pytest.fixture
def other(queue: JobQueue) -> JobQueue:
    """The queue, as another has it."""
    return replace(queue, worker="other")


async def taken(queue: JobQueue, now: datetime = NOON) -> JobTicket:
    """A ticket that must be there."""
    ticket = await queue.claim(["print"], now)
    assert ticket is not None
    return ticket


async def test_the_first_that_is_due_is_taken_first(queue: JobQueue, database: Database, scope: Scope) -> None:
    late, early = [(await put(database, scope, NOON + seconds * SECOND)).id for seconds in (2, 1)]
    assert await queue.claim(["print"], NOON) is None
    assert await queue.next_due(["print"]) == NOON + SECOND
    assert [(await taken(queue, NOON + 5 * SECOND)).job_id for _ in range(2)] == [early, late]
    assert await queue.claim(["print"], NOON + 5 * SECOND) is None


async def test_what_a_worker_does_not_know_is_left_to_others(queue: JobQueue, database: Database, scope: Scope) -> None:
    await put(database, scope)
    assert await queue.claim(["paint"], NOON) is None
    assert await queue.next_due(["paint"]) is None


async def test_each_ticket_is_taken_by_one_of_many_at_once(queue: JobQueue, database: Database, scope: Scope) -> None:
    for _ in range(10):
        await put(database, scope)
    claims = await asyncio.gather(*(replace(queue, worker=str(number)).claim(["print"], NOON) for number in range(15)))
    assert Counter(claim is not None for claim in claims) == {True: 10, False: 5}
    assert len({claim.job_id for claim in claims if claim is not None}) == 10


async def test_a_lease_that_ran_out_lets_another_take_it_and_the_first_is_heard_no_more(
    services: Services, queue: JobQueue, other: JobQueue, database: Database, scope: Scope
) -> None:
    job = await put(database, scope)
    first = await taken(queue)
    assert await queue.begin(first, NOON)
    assert await other.claim(["print"], NOON + LEASE - SECOND) is None
    second = await taken(other, NOON + LEASE)
    assert await other.begin(second, NOON + LEASE)
    assert (second.attempt, second.job_id) == (2, job.id)
    assert not await queue.extend(first, NOON + LEASE)
    assert await queue.note_progress(first, NOON, 1, 2) is None
    assert not await queue.end(first, NOON, DONE)
    assert not await queue.put_off(first, NOON, NOON, "never")
    assert not await queue.give_back(first, NOON)
    assert [ticket.worker for ticket in await tickets(database)] == ["other"]
    assert await other.end(second, NOON + LEASE, DONE)
    assert (await stored(services, scope, job.id)).status == "SUCCEEDED"
    assert await tickets(database) == []


async def test_what_was_done_before_the_next_one_began_is_not_done_again(
    services: Services, queue: JobQueue, other: JobQueue, database: Database, scope: Scope
) -> None:
    job = await put(database, scope)
    first = await taken(queue)
    await queue.begin(first, NOON)
    second = await taken(other, NOON + LEASE)
    assert await queue.end(first, NOON + LEASE, DONE)
    assert await other.begin(second, NOON + LEASE) is None
    await other.drop(second)
    assert (await stored(services, scope, job.id)).attempts == 1
    assert await tickets(database) == []


async def test_a_heartbeat_keeps_it(queue: JobQueue, other: JobQueue, database: Database, scope: Scope) -> None:
    await put(database, scope)
    ticket = await taken(queue)
    assert await queue.extend(ticket, NOON + 20 * SECOND)
    assert await other.claim(["print"], NOON + LEASE + 10 * SECOND) is None
    assert await other.claim(["print"], NOON + LEASE + 20 * SECOND)


async def test_what_is_given_back_is_due_at_once_and_counts_as_no_failure(
    queue: JobQueue, other: JobQueue, database: Database, scope: Scope
) -> None:
    await put(database, scope)
    first = await taken(queue)
    await queue.begin(first, NOON)
    assert await queue.give_back(first, NOON)
    second = await taken(other)
    assert (second.attempt, second.pardoned) == (2, 1)


async def test_a_job_that_is_tried_again_goes_on_counting(services: Services, queue: JobQueue, database: Database, scope: Scope) -> None:
    job = await put(database, scope)
    ticket = await taken(queue)
    await queue.begin(ticket, NOON)
    await queue.end(ticket, NOON, Ending("FAILED", "$no"))
    failed = await stored(services, scope, job.id)
    assert failed.error == "$no"

    async def again(transaction: Transaction) -> Job:
        return await schedule_again(Writer(transaction, scope), failed, NOON)

    await run_transaction(database, again)
    ticket = await taken(queue)
    assert (ticket.attempt, ticket.pardoned) == (2, 1)
    assert await queue.begin(ticket, NOON)


async def test_every_change_of_a_job_is_later_than_the_one_before(
    services: Services, queue: JobQueue, database: Database, scope: Scope
) -> None:
    job = await put(database, scope)
    ticket = await taken(queue)
    moments = [job.updated_at]
    for done in range(3):
        row = await (queue.begin(ticket, NOON) if not done else queue.note_progress(ticket, NOON - SECOND, done, 3))
        assert row is not None
        moments.append(row.updated_at)
    assert moments == sorted(set(moments))


async def test_a_cron_is_planned_once_and_a_shorter_period_holds_at_once(queue: JobQueue, database: Database) -> None:
    day, hour = timedelta(days=1), timedelta(hours=1)
    await asyncio.gather(*(replace(queue, worker=str(number)).plan("cron:x", NOON, day) for number in range(5)))
    ticket = await queue.claim(["cron:x"], NOON)
    assert ticket is not None
    assert await queue.claim(["cron:x"], NOON) is None
    assert await queue.renew(ticket, NOON, NOON + day)
    await queue.plan("cron:x", NOON + hour, day)
    assert await queue.next_due(["cron:x"]) == NOON + day
    await queue.plan("cron:x", NOON + hour, hour)
    assert await queue.next_due(["cron:x"]) == NOON + hour
