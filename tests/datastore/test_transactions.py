import asyncio
from typing import Any

import pytest

from datastore.changes import ChangeStream
from datastore.database import Database, timestamp_of, version_from
from datastore.embedded import MongoServer
from datastore.errors import ConflictError, UnavailableError
from datastore.schema import Product, ProductCategory, User
from datastore.scope import Scope
from datastore.transactions import OutcomeUnknownError, Transaction, _to_the_end, run_transaction
from datastore.writing import IdentityWriter, Writer
from tests.datastore.failpoints import failing
from tests.datastore.samples import category, count, product, stored, user

LIMIT_SECONDS = 10


async def row_of(database: Database, scope: Scope, row: Product) -> Product | None:
    """The product as it is now."""

    async def body(transaction: Transaction) -> Product | None:
        return await Writer(transaction, scope).get(Product, row.id)

    return (await run_transaction(database, body)).value


async def test_what_the_body_returns_comes_with_the_version_of_the_change_event(database: Database, scope: Scope) -> None:
    stream = database.watch([])
    async with stream:
        await stream.try_next()

        async def body(transaction: Transaction) -> str:
            writer = Writer(transaction, scope)
            await writer.insert(category(scope))
            await writer.insert(product(scope))
            return "done"

        committed = await run_transaction(database, body)
        async with asyncio.timeout(LIMIT_SECONDS):
            events = [await stream.next(), await stream.next()]
    assert committed.value == "done"
    assert [version_from(event["clusterTime"]) for event in events] == [committed.version] * 2


async def test_the_change_stream_hands_out_that_very_version(database: Database, scope: Scope) -> None:
    changes = ChangeStream(database)
    await changes.open()

    async def body(transaction: Transaction) -> Product:
        return await Writer(transaction, scope).insert(product(scope))

    committed = await run_transaction(database, body)
    async with asyncio.timeout(LIMIT_SECONDS):
        (change,) = await changes.next_batch()
    await changes.close()
    assert (change.time, change.id) == (committed.version, committed.value.id)


async def test_a_body_that_writes_nothing_has_no_version(database: Database, scope: Scope) -> None:
    coffee = product(scope)
    await stored(database, coffee)

    async def body(transaction: Transaction) -> Product:
        writer = Writer(transaction, scope)
        row = await writer.update(await writer.get_existing(Product, coffee.id), name=coffee.name)
        assert not writer.changed
        return row

    committed = await run_transaction(database, body)
    assert (committed.value, committed.version) == (coffee, None)


async def test_a_body_that_reads_nothing_and_writes_nothing_is_no_problem(database: Database) -> None:
    async def body(transaction: Transaction) -> int:
        return 7

    assert (await run_transaction(database, body)).value == 7


async def test_a_body_that_fails_half_way_leaves_nothing(database: Database, scope: Scope) -> None:
    class Halt(Exception):  # noqa: N818  # not an error of ours, which is the point
        pass

    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        await writer.insert(category(scope))
        await writer.insert(product(scope))
        raise Halt

    with pytest.raises(Halt):
        await run_transaction(database, body)
    assert [await count(database, Product), await count(database, ProductCategory)] == [0, 0]


async def test_a_body_cancelled_half_way_leaves_nothing(database: Database, scope: Scope) -> None:
    inserted = asyncio.Event()

    async def body(transaction: Transaction) -> None:
        await Writer(transaction, scope).insert(product(scope))
        inserted.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(run_transaction(database, body))
    async with asyncio.timeout(LIMIT_SECONDS):
        await inserted.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await count(database, Product) == 0


async def test_a_body_cancelled_at_any_moment_happens_wholly_or_not_at_all(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        for _ in range(3):
            await writer.insert(product(scope))

    for turns in range(0, 120, 7):
        running = asyncio.create_task(run_transaction(database, body))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await count(database, Product) % 3 == 0


async def test_bodies_that_collide_are_run_again_until_each_has_happened(database: Database, scope: Scope) -> None:
    coffee = product(scope, stock=0)
    await stored(database, coffee)
    tries = 0

    async def body(transaction: Transaction) -> int:
        nonlocal tries
        tries += 1
        writer = Writer(transaction, scope)
        row = await writer.get_existing(Product, coffee.id)
        return (await writer.update(row, stock=row.stock + 1)).stock

    committed = await asyncio.gather(*(run_transaction(database, body) for _ in range(20)))
    assert sorted(one.value for one in committed) == list(range(1, 21))
    assert len({one.version for one in committed}) == 20
    assert tries > 20, "nothing collided, so that nothing was tried"


async def test_collisions_that_do_not_end_are_unavailable_and_change_nothing(database: Database, scope: Scope) -> None:
    coffee = product(scope, stock=0)
    await stored(database, coffee)
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> None:
        await Writer(transaction, scope).update(coffee, stock=1)
        held.set()
        await release.wait()

    async def collide(transaction: Transaction) -> None:
        await Writer(transaction, scope).update(coffee, stock=2)

    holding = asyncio.create_task(run_transaction(database, hold))
    async with asyncio.timeout(LIMIT_SECONDS):
        await held.wait()
        with pytest.raises(UnavailableError):
            await run_transaction(database, collide, patience=0.2)
    release.set()
    await holding
    row = await row_of(database, scope, coffee)
    assert row is not None
    assert row.stock == 1


@pytest.mark.parametrize("guarded", [False, True])
async def test_write_skew_happens_without_a_guard_and_never_with_one(database: Database, scope: Scope, guarded: bool) -> None:
    """Two rows, of which one must stay in the list: each of two transactions sees the other's row and takes its own out."""
    shelf = category(scope)
    rows = [product(scope, name="one"), product(scope, name="two")]
    await stored(database, shelf, *rows)
    met = asyncio.Barrier(2)

    async def archive(transaction: Transaction, mine: Product, tries: list[int]) -> None:
        writer = Writer(transaction, scope)
        others = await writer.scan(Product, "by_name", [False], first=10)
        tries.append(1)
        if len(tries) == 1:
            await met.wait()  # both have read before either writes
        if guarded:
            await writer.guard(shelf)
        if len(others) < 2:
            raise ConflictError("One must stay.")
        await writer.update(mine, archived=True)

    def try_to_archive(mine: Product) -> Any:
        tries: list[int] = []
        return run_transaction(database, lambda transaction: archive(transaction, mine, tries))

    async with asyncio.timeout(LIMIT_SECONDS):
        results = await asyncio.gather(*(try_to_archive(row) for row in rows), return_exceptions=True)
    left = [row for row in [await row_of(database, scope, row) for row in rows] if row is not None and not row.archived]
    refused = [result for result in results if isinstance(result, ConflictError)]
    assert (len(left), len(refused)) == ((1, 1) if guarded else (0, 0))


async def test_a_conflict_that_a_body_swallows_cannot_be_committed(database: Database, scope: Scope) -> None:
    await stored(database, product(scope, sku="taken"))

    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        await writer.insert(category(scope))
        try:
            await writer.insert(product(scope, sku="taken"))
        except ConflictError:
            return

    with pytest.raises(ConflictError):
        await run_transaction(database, body)
    assert await count(database, ProductCategory) == 0


async def test_a_body_that_goes_on_after_a_conflict_meets_it_again(database: Database, scope: Scope) -> None:
    await stored(database, product(scope, sku="taken"))

    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        try:
            await writer.insert(product(scope, sku="taken"))
        except ConflictError:
            await writer.insert(product(scope, sku="free"))

    async with asyncio.timeout(2):  # it is not tried again
        with pytest.raises(ConflictError):
            await run_transaction(database, body)
    assert await count(database, Product) == 1


async def test_nothing_of_a_failed_try_is_in_the_next(database: Database, mongod: MongoServer, scope: Scope) -> None:
    seen: list[Product | None] = []
    coffee = product(scope)

    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        seen.append(await writer.get(Product, coffee.id))
        await writer.insert(coffee)

    async with failing(mongod.uri, "commitTransaction", 1, errorCode=112, errorLabels=["TransientTransactionError"]):
        await run_transaction(database, body)
    assert seen == [None, None]
    assert await count(database, Product) == 1


@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
async def test_a_connection_lost_once_is_not_noticed(database: Database, mongod: MongoServer, scope: Scope, command: str) -> None:
    async def body(transaction: Transaction) -> None:
        await Writer(transaction, scope).insert(product(scope))

    async with failing(mongod.uri, command, 1):
        committed = await run_transaction(database, body)
    assert committed.version is not None
    assert await count(database, Product) == 1


async def test_a_database_that_stays_lost_is_unavailable(database: Database, mongod: MongoServer, scope: Scope) -> None:
    async def body(transaction: Transaction) -> None:
        await Writer(transaction, scope).insert(product(scope))

    async with failing(mongod.uri, "insert"):
        with pytest.raises(UnavailableError):
            await run_transaction(database, body, patience=0.2)
    assert await count(database, Product) == 0


async def test_a_commit_that_nobody_answers_is_said_to_be_unknown(database: Database, mongod: MongoServer, scope: Scope) -> None:
    async def body(transaction: Transaction) -> None:
        await Writer(transaction, scope).insert(product(scope))

    async with failing(mongod.uri, "commitTransaction"):
        with pytest.raises(OutcomeUnknownError):
            await run_transaction(database, body, patience=0.2)
    status = await database.command({"serverStatus": 1})
    assert status["transactions"]["currentOpen"] == 0, "what it held must be free for others at once"


async def test_who_is_cancelled_during_a_command_is_so_after_it() -> None:
    """A thread of the driver uses the session meanwhile; two must not."""
    begun, answered = asyncio.Event(), asyncio.Event()

    async def command() -> None:
        begun.set()
        await answered.wait()

    waiting = asyncio.create_task(_to_the_end(command()))
    await begun.wait()
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_nothing_of_a_transaction_works_after_its_body(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction) -> Writer:
        return Writer(transaction, scope)

    writer = (await run_transaction(database, body)).value
    with pytest.raises(RuntimeError):
        await writer.insert(product(scope))
    with pytest.raises(RuntimeError):
        await writer.get(Product, Product.new_id())


async def test_reads_and_writes_asked_for_at_once_take_turns(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction) -> list[Product]:
        writer = Writer(transaction, scope)
        rows = await asyncio.gather(*(writer.insert(product(scope, sku=f"sku-{number}")) for number in range(10)))
        found = await asyncio.gather(*(writer.find(Product, "by_sku", f"sku-{number}") for number in range(10)))
        assert found == rows
        return rows

    committed = await run_transaction(database, body)
    assert await count(database, Product) == len(committed.value) == 10


async def test_a_transaction_reads_one_snapshot_and_its_own_writes(database: Database, scope: Scope) -> None:
    coffee, tea = product(scope, name="coffee"), product(scope, name="tea")
    await stored(database, coffee)

    async def body(transaction: Transaction) -> None:
        writer = Writer(transaction, scope)
        assert await writer.get(Product, coffee.id) == coffee
        await stored(database, tea)
        assert await writer.get(Product, tea.id) is None
        renamed = await writer.update(coffee, name="mocha")
        assert await writer.scan(Product, "by_name", [False], first=5) == (renamed,)
        await writer.delete(renamed)
        assert await writer.get(Product, coffee.id) is None
        assert await writer.scan(Product, "by_name", [False], first=5) == ()

    await run_transaction(database, body)
    assert await row_of(database, scope, tea) == tea


async def test_identity_and_an_account_change_in_one_transaction(database: Database, scope: Scope) -> None:
    ann = user()

    async def body(transaction: Transaction) -> None:
        await IdentityWriter(transaction).insert(ann)
        await Writer(transaction, scope).insert(product(scope))
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        await run_transaction(database, body)
    assert [await count(database, User), await count(database, Product)] == [0, 0]


async def test_the_version_reads_back_what_was_committed(database: Database, scope: Scope) -> None:
    coffee = product(scope)

    async def body(transaction: Transaction) -> None:
        await Writer(transaction, scope).insert(coffee)

    version = (await run_transaction(database, body)).version
    assert version is not None
    concern = {"level": "snapshot", "atClusterTime": timestamp_of(version)}
    reply = await database.command({"find": "products", "filter": {"_id": coffee.id}, "readConcern": concern})
    assert len(reply["cursor"]["firstBatch"]) == 1
