import asyncio

import pytest

from datastore.changes import ChangeStream, StreamLostError
from datastore.database import Database
from datastore.tailing import Answer
from tests.datastore.test_changes import LIMIT_SECONDS, database, insert, received, stream

__all__ = ["database", "stream"]


async def test_an_event_that_comes_just_when_the_stream_is_closed_is_not_given_out(stream: ChangeStream) -> None:
    waiting = asyncio.ensure_future(stream.next_batch())
    await asyncio.sleep(0)
    tail = stream._tail
    assert tail is not None
    # Before whoever waits for changes: what becomes ready in one turn of the loop runs in that order.
    closing = asyncio.ensure_future(stream.close())
    tail._take(Answer([{"operationType": "insert"}], None))

    with pytest.raises(StreamLostError, match="was closed"):
        await waiting
    await closing


async def test_a_stream_reads_no_more_than_two_answers_ahead_of_who_follows_it(database: Database) -> None:
    slow, quick = ChangeStream(database, batch=1), ChangeStream(database)
    await slow.open()
    await quick.open()
    tail = slow._tail
    assert tail is not None
    wanted = [f"pct_{number}" for number in range(6)]
    await insert(database, *wanted)
    await received(quick, len(wanted))
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(tail._answers) < 2:
            await asyncio.sleep(0)
    for _ in range(50):  # time enough for the others, each of which is but one round trip away
        await database.ping()

    assert len(tail._answers) == 2
    assert [change.id for change in await received(slow, len(wanted))] == wanted
    await slow.close()
    await quick.close()


async def test_what_was_read_ahead_is_not_given_out_once_the_stream_is_closed(database: Database, stream: ChangeStream) -> None:
    tail = stream._tail
    assert tail is not None
    await insert(database, "pct_1")
    async with asyncio.timeout(LIMIT_SECONDS):
        while not tail._answers:
            await asyncio.sleep(0)

    await stream.close()

    assert await tail.next() is None
    with pytest.raises(StreamLostError, match="not open"):
        await stream.next_batch()
