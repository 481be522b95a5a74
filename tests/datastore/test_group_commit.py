"""Mutations of one account that are carried out as one transaction: each as if it had been alone, in their order."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from datastore import group_commit
from datastore.bulk_writing import BulkWriter
from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import ConflictError, InvalidInputError, UnavailableError
from datastore.group_commit import Member, Mutation, carry_out
from datastore.schema import Product, ProductCategory
from datastore.scope import Scope
from datastore.transactions import Committed
from datastore.turns import Errand
from datastore.writing import Writer
from tests.commands import Commands
from tests.datastore.failpoints import failing
from tests.datastore.samples import category, count, product, stored

Body = Callable[[Writer], Awaitable[Any]]
LIMIT_SECONDS = 10


async def together(database: Database, scope: Scope, *bodies: Body) -> list[Any]:
    """What came of bodies that were carried out together: what each returned, or raised."""
    members: list[Member] = [Errand(Mutation(scope, body), asyncio.get_running_loop().create_future()) for body in bodies]
    async with asyncio.timeout(LIMIT_SECONDS):
        await carry_out(database, members)
    outcomes: list[Committed[Any] | BaseException] = await asyncio.gather(*(one.outcome for one in members), return_exceptions=True)
    return [one.value if isinstance(one, Committed) else one for one in outcomes]


def sell(id: str, pieces: int) -> Body:
    """Takes pieces of a product, if there are so many; how many are left."""

    async def body(db: Writer) -> int:
        row = await db.get_existing(Product, id)
        if row.stock < pieces:
            raise ConflictError(f"Only {row.stock}.")
        return (await db.update(row, stock=row.stock - pieces)).stock

    return body


async def test_each_sees_what_those_before_it_have_written_and_all_cost_one_commit(
    database: Database, scope: Scope, commands: Commands
) -> None:
    tea = product(scope, stock=10)
    await stored(database, tea)
    before = commands.counts.copy()
    assert await together(database, scope, *[sell(tea.id, 1)] * 6) == [9, 8, 7, 6, 5, 4]
    sent = commands.counts - before
    assert (sent["update"], sent["commitTransaction"]) == (1, 1)


async def test_one_that_fails_leaves_nothing_and_spoils_no_other(database: Database, scope: Scope) -> None:
    tea = product(scope, stock=3)
    await stored(database, tea)

    async def half_way(db: Writer) -> None:
        await db.insert(category(scope))
        await sell(tea.id, 1)(db)
        await db.next_number("sales")
        raise LookupError("in the middle")

    outcomes = await together(
        database, scope, sell(tea.id, 1), half_way, sell(tea.id, 5), sell(tea.id, 2), partial(Writer.next_number, series="sales")
    )
    assert [type(one) for one in outcomes] == [int, LookupError, ConflictError, int, int]
    assert (outcomes[0], outcomes[3], outcomes[4]) == (2, 0, 1)
    assert await count(database, ProductCategory) == 0


async def test_one_that_cannot_be_stored_is_told_so_alone(database: Database, scope: Scope) -> None:
    """What is wrong is only found when all is sent, so each is then tried by itself."""
    tea = product(scope, sku="TEA")
    outcomes = await together(
        database,
        scope,
        lambda db: db.insert(tea),
        lambda db: db.insert(product(scope, name="\ud800")),
        lambda db: db.insert(product(scope, sku="TEA")),
    )
    assert [type(one) for one in outcomes] == [Product, InvalidInputError, ConflictError]
    assert await count(database, Product) == 1


async def test_what_cannot_be_done_in_bulk_is_done_alone_in_its_place(database: Database, scope: Scope) -> None:
    tea = product(scope, stock=3)
    await stored(database, tea)

    async def discard(db: Writer) -> bool:
        await db.delete(await db.get_existing(Product, tea.id))
        return isinstance(db, BulkWriter)

    outcomes = await together(database, scope, sell(tea.id, 1), discard)
    assert outcomes == [2, False]
    assert await count(database, Product) == 0


async def test_who_only_read_has_no_version_and_who_wrote_has_the_commits(database: Database, scope: Scope) -> None:
    tea = product(scope)
    await stored(database, tea)
    bodies: list[Body] = [sell(tea.id, 1), lambda db: db.get(Product, tea.id), sell(tea.id, 1)]
    members: list[Member] = [Errand(Mutation(scope, body), asyncio.get_running_loop().create_future()) for body in bodies]
    await carry_out(database, members)
    first, read, last = [(await one.outcome).version for one in members]
    assert first == last is not None
    assert read is None


async def test_a_transaction_takes_no_more_than_so_many_rows(
    database: Database, scope: Scope, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_GIVEN", 3)
    before = commands.counts.copy()
    outcomes = await together(database, scope, *[lambda db: db.insert(product(scope)) for _ in range(10)])
    assert len({row.id for row in outcomes}) == await count(database, Product) == 10
    assert (commands.counts - before)["commitTransaction"] == 3


async def test_a_collision_runs_all_of_them_again(database: Database, mongod: MongoServer, scope: Scope) -> None:
    tea = product(scope, stock=5)
    await stored(database, tea)
    async with failing(mongod.uri, "commitTransaction", 1, errorCode=251, errorLabels=["TransientTransactionError"]):
        assert await together(database, scope, sell(tea.id, 1), sell(tea.id, 1)) == [4, 3]


async def test_where_the_database_is_lost_everybody_is_told_so(database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise UnavailableError("The database does not answer.")

    monkeypatch.setattr(group_commit, "run_transaction", lost)
    outcomes = await together(database, scope, lambda db: db.next_number("a"), lambda db: db.next_number("a"))
    assert [type(one) for one in outcomes] == [UnavailableError] * 2


async def test_a_caller_that_is_cancelled_takes_nobody_with_it(database: Database, scope: Scope) -> None:
    tea = product(scope, stock=5)
    await stored(database, tea)
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    async def slow(db: Writer) -> int:
        begun.set()
        return int(await sell(tea.id, 1)(db))

    members: list[Member] = [Errand(Mutation(scope, body), loop.create_future()) for body in (slow, sell(tea.id, 1))]
    leading = asyncio.create_task(carry_out(database, members))
    async with asyncio.timeout(LIMIT_SECONDS):
        await begun.wait()
        leading.cancel()
        await asyncio.wait([leading])
        assert leading.cancelled()
        assert (await members[1].outcome).value == 3
