import asyncio
from collections.abc import AsyncIterator

import pytest

from datastore.changes import ChangeStream
from datastore.database import Database
from datastore.errors import RateLimitedError
from datastore.migrate import migrate
from datastore.rate_limits import COLLECTION, Limit, Limiter
from datastore.schema import IdempotencyKey
from tests.commands import Commands

FIVE = Limit(5, 3600)
QUICK = Limit(4, 0.4)


@pytest.fixture
def limiter(database: Database) -> Limiter:
    return Limiter(database)


async def taken(limiter: Limiter, key: str, limit: Limit, cost: int = 1) -> bool:
    try:
        await limiter.take(key, limit, cost)
    except RateLimitedError:
        return False
    return True


async def test_of_thirty_parallel_tries_at_a_limit_of_five_five_pass(limiter: Limiter) -> None:
    assert sum(await asyncio.gather(*(taken(limiter, "ada", FIVE) for _ in range(30)))) == 5


async def test_processes_count_together_and_keys_apart(database: Database) -> None:
    processes = [Limiter(database) for _ in range(3)]
    assert sum(await asyncio.gather(*(taken(one, "ada", FIVE) for one in processes for _ in range(4)))) == 5
    assert await taken(processes[0], "bob", FIVE)
    assert await taken(processes[0], "ada", Limit(6, 3600))


async def test_a_refusal_says_when_to_try_again_and_then_it_is_good(limiter: Limiter) -> None:
    assert [await taken(limiter, "ada", QUICK) for _ in range(4)] == [True] * 4
    with pytest.raises(RateLimitedError) as refused:
        await limiter.take("ada", QUICK)
    assert 0 < refused.value.retry_after <= QUICK.interval
    assert refused.value.extensions() == {"code": "RATE_LIMITED", "retryAfter": refused.value.retry_after}
    async with asyncio.timeout(5):
        while not await taken(limiter, "ada", QUICK):
            await asyncio.sleep(0.01)


async def test_what_costs_more_takes_more_and_a_refusal_takes_nothing(limiter: Limiter) -> None:
    await limiter.take("ada", FIVE, 3)
    assert not await taken(limiter, "ada", FIVE, 3)
    await limiter.take("ada", FIVE, 2)
    assert not await taken(limiter, "ada", FIVE)


async def test_what_was_given_back_can_be_taken_again_but_never_more_than_that(limiter: Limiter) -> None:
    await limiter.take("ada", FIVE, 5)
    assert not await taken(limiter, "ada", FIVE)
    await limiter.give_back("ada", FIVE, 2)
    assert [await taken(limiter, "ada", FIVE) for _ in range(3)] == [True, True, False]
    await limiter.give_back("ada", FIVE, 100)
    assert [await taken(limiter, "ada", FIVE) for _ in range(6)] == [True] * 5 + [False]


async def test_who_goes_on_trying_costs_the_database_nothing(limiter: Limiter, commands: Commands) -> None:
    await limiter.take("ada", FIVE, 5)
    assert not await taken(limiter, "ada", FIVE)
    before = commands.counts["findAndModify"]
    assert not any([await taken(limiter, "ada", FIVE) for _ in range(20)])
    assert commands.counts["findAndModify"] == before


async def test_a_refusal_of_much_is_none_of_a_little(limiter: Limiter) -> None:
    assert not await taken(limiter, "ada", FIVE, 6)
    assert await taken(limiter, "ada", FIVE, 5)


@pytest.mark.parametrize("limit", [Limit(3, 10), Limit(6, 3600), Limit(7, 60), Limit(700, 1)])
async def test_rounding_costs_nobody_the_last_of_a_limit(limiter: Limiter, limit: Limit) -> None:
    assert await taken(limiter, "ada", limit, limit.count)
    assert not await taken(limiter, "bob", limit, limit.count + 1)


async def test_neither_keys_nor_counts_can_be_read_out_of_the_database(limiter: Limiter, database: Database) -> None:
    await limiter.take("sign-in ada@example.org 192.0.2.7", FIVE)
    reply = await database.command({"find": COLLECTION})
    [entry] = reply["cursor"]["firstBatch"]
    assert entry.keys() == {"_id", "earned_us", "wait_us", "expires_at"}
    assert len(entry["_id"]) == 64


@pytest.fixture
async def stream(database: Database) -> AsyncIterator[ChangeStream]:
    stream = ChangeStream(database)
    await stream.open()
    yield stream
    await stream.close()


async def test_the_change_stream_hears_nothing_of_it(limiter: Limiter, stream: ChangeStream, database: Database) -> None:
    await asyncio.gather(*(taken(limiter, str(number), FIVE) for number in range(20)))
    row = {"_id": IdempotencyKey.new_id()}
    await database.command({"insert": IdempotencyKey.spec.name, "documents": [row], "bypassDocumentValidation": True})
    assert [change.id for change in await stream.next_batch()] == [row["_id"]]


async def test_mongodb_deletes_what_is_earned_back(database: Database) -> None:
    assert (await migrate(database)).lines == ()
    reply = await database.command({"listIndexes": COLLECTION})
    assert [index["expireAfterSeconds"] for index in reply["cursor"]["firstBatch"] if "expires_at" in index["key"]] == [60]
