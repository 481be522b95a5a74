from contextlib import aclosing

import pytest

from datastore import row_streams
from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import UnavailableError
from datastore.row_streams import stream_rows
from datastore.schema import Account, Product, User
from datastore.scope import Scope, grant
from tests.datastore.failpoints import failing
from tests.datastore.samples import product, stored, write


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are many batches."""
    monkeypatch.setattr(row_streams, "BATCH", 7)


async def names(database: Database, scope: Scope, **narrowed: str) -> list[str]:
    """The names of all products that are for sale."""
    return [row.name async for batch in stream_rows(database, scope, Product, "by_name", (False,), **narrowed) for row in batch]


async def test_all_rows_of_one_account_come_in_order_and_nobody_elses(database: Database, scope: Scope) -> None:
    other = grant(Account.new_id(), User.new_id(), "OWNER")
    rows = [product(scope, name=f"tea {number:02}", archived=number > 30) for number in reversed(range(40))]
    await stored(database, *rows, *(product(other, name="coffee") for _ in range(10)))
    batches = [batch async for batch in stream_rows(database, scope, Product, "by_name", (False,))]
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 3]
    assert [row for batch in batches for row in batch] == sorted(rows[9:], key=lambda row: row.name)
    assert await names(database, scope, low="tea 05", high="tea 08") == ["tea 05", "tea 06", "tea 07"]
    assert await names(database, scope, low="tea 08", high="tea 05") == []


@pytest.mark.parametrize("count", [0, 6, 7, 8, 14])
async def test_any_number_of_equal_keys_comes_once_each(database: Database, scope: Scope, count: int) -> None:
    if count:
        await stored(database, *(product(scope) for _ in range(count)))
    ids = [row.id async for batch in stream_rows(database, scope, Product, "by_name", (False,)) for row in batch]
    assert len(set(ids)) == len(ids) == count


async def test_all_is_from_one_moment_whatever_is_written_meanwhile(database: Database, scope: Scope) -> None:
    rows = [product(scope, name=f"tea {number:02}") for number in range(20)]
    await stored(database, *rows)
    async with aclosing(stream_rows(database, scope, Product, "by_name", (False,))) as batches:
        found = list(await anext(batches))
        await write(database, scope, lambda db: db.update(rows[19], name="a tea"))
        await write(database, scope, lambda db: db.delete(rows[18]))
        await write(database, scope, lambda db: db.insert(product(scope, name="tea 15½")))
        found += [row async for batch in batches for row in batch]
    assert found == rows


async def test_a_reader_who_takes_too_long_goes_on_at_a_newer_moment(database: Database, scope: Scope, mongod: MongoServer) -> None:
    rows = [product(scope, name=f"tea {number:02}") for number in range(20)]
    await stored(database, *rows)
    async with aclosing(stream_rows(database, scope, Product, "by_name", (False,))) as batches:
        found = list(await anext(batches))
        late = await write(database, scope, lambda db: db.insert(product(scope, name="tea 15½")))
        async with failing(mongod.uri, "find", times=1, errorCode=239):
            found += [row async for batch in batches for row in batch]
    assert found == sorted([*rows, late], key=lambda row: row.name)


async def test_a_database_that_is_lost_on_the_way_is_unavailable(database: Database, scope: Scope, mongod: MongoServer) -> None:
    await stored(database, *(product(scope) for _ in range(20)))
    async with aclosing(stream_rows(database, scope, Product, "by_name", (False,))) as batches:
        await anext(batches)
        async with failing(mongod.uri, "find", errorCode=239):
            with pytest.raises(UnavailableError):
                await anext(batches)
