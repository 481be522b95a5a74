"""A BulkWriter shows what it keeps as if it had been sent, and sends it as a Writer would have."""

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any, TypeVar

import pytest

from datastore.bulk_writing import BulkWriter
from datastore.database import Database
from datastore.errors import ConflictError, InvalidInputError, NotFoundError
from datastore.schema import Counter, Inventory, LedgerEntry, Product, ProductCategory, Summary
from datastore.scope import Scope, grant
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from tests.commands import Commands
from tests.conftest import empty
from tests.datastore.samples import MOMENT, category, count, document_of, movement, product, write

T = TypeVar("T")
NUMBERS = [f"prd_{number:026}" for number in range(30)]


async def in_bulk(database: Database, scope: Scope, body: Callable[[BulkWriter], Awaitable[T]]) -> T:
    """What a body returns that writes in bulk; everything is sent when it ends."""

    async def flushed(transaction: Transaction) -> T:
        writer = BulkWriter(transaction, scope)
        value = await body(writer)
        await writer.flush()
        return value

    return (await run_transaction(database, flushed)).value


async def stored(database: Database, table: str, scope: Scope) -> list[dict[str, Any]]:
    """What an account has in a table, without times, ids and guards."""
    reply = await database.command({"find": table, "filter": {"account_id": scope.account_id}, "batchSize": 1000})
    hidden = {"created_at", "updated_at", "account_id", "guard", "_id"}
    return sorted(({k: v for k, v in row.items() if k not in hidden} for row in reply["cursor"]["firstBatch"]), key=repr)


async def test_what_is_kept_is_seen_by_every_read(database: Database, scope: Scope) -> None:
    old = product(scope, name="Old", sku="OLD", stock=3)
    await write(database, scope, lambda writer: writer.insert(old))

    async def body(writer: BulkWriter) -> None:
        new = await writer.insert(product(scope, name="New", sku="NEW"))
        assert await writer.get(Product, new.id) == new
        assert await writer.find(Product, "by_sku", "NEW") == new
        assert [row.name for row in await writer.scan(Product, "by_name", (False,), first=9)] == ["New", "Old"]
        assert [row.name for row in await writer.scan(Product, "by_name", (False,), first=9, descending=True)] == ["Old", "New"]
        assert [row.name for row in await writer.scan(Product, "by_name", (False,), first=1)] == ["New"]
        changed = await writer.update(old, sku="OTHER", name="Zebra", archived=True)
        assert (await writer.get_all(Product, [old.id, new.id])).keys() == {old.id, new.id}
        assert await writer.find(Product, "by_sku", "OLD") is None
        assert await writer.find(Product, "by_sku", "OTHER") == changed
        assert [row.name for row in await writer.scan(Product, "by_name", (False,), first=9)] == ["New"]
        assert [row.name for row in await writer.scan(Product, "by_name", (True,), first=9)] == ["Zebra"]
        assert (await writer.increment(old, stock=4)).stock == 7

    await in_bulk(database, scope, body)
    document = await document_of(database, old)
    assert document is not None
    assert (document["name_key"], document["sku"], document["stock"], document["archived"]) == ("zebra", "OTHER", 7, True)
    assert document["updated_at"] > old.updated_at


async def test_nothing_is_sent_before_it_is_flushed(database: Database, scope: Scope) -> None:
    async def body(writer: BulkWriter) -> None:
        await writer.insert(product(scope))
        await writer.tally(Inventory, {(): {"units": 1}})
        await writer.next_number("sales")

    async def unflushed(transaction: Transaction) -> None:
        await body(BulkWriter(transaction, scope))

    await run_transaction(database, unflushed)
    assert [await count(database, table) for table in (Product, Inventory, Counter)] == [0, 0, 0]
    await in_bulk(database, scope, body)
    assert [await count(database, table) for table in (Product, Inventory, Counter)] == [1, 1, 1]


async def test_hundreds_of_rows_are_a_few_commands(database: Database, scope: Scope, commands: Commands) -> None:
    async def body(writer: BulkWriter) -> None:
        for _ in range(300):
            tea = await writer.insert(product(scope))
            await writer.insert(movement(scope, tea))
            await writer.update(tea, stock=tea.stock + 1)
            await writer.tally(Inventory, {(): {"units": 1}})
            await writer.next_number("sales")

    before = commands.counts.copy()
    await in_bulk(database, scope, body)
    sent = commands.counts - before
    assert (sent["insert"], sent["update"], sent["findAndModify"]) == (2, 1, 1)
    assert [row["units"] for row in await stored(database, "inventories", scope)] == [300]
    assert {row["stock"] for row in await stored(database, "products", scope)} == {11}


async def test_numbers_go_on_from_those_given_before(database: Database, scope: Scope) -> None:
    assert await write(database, scope, lambda writer: writer.next_number("sales")) == 1

    async def body(writer: BulkWriter) -> list[int]:
        return [await writer.next_number("sales"), await writer.next_number("sales", 3), await writer.next_number("sales")]

    assert await in_bulk(database, scope, body) == [2, 3, 6]
    assert await write(database, scope, lambda writer: writer.next_number("sales")) == 7


async def test_a_row_changed_meanwhile_is_a_conflict(database: Database, scope: Scope) -> None:
    tea = await write(database, scope, lambda writer: writer.insert(product(scope)))

    async def stale(writer: BulkWriter) -> None:
        await writer.update(tea, stock=1)
        await writer.update(tea, stock=2)

    with pytest.raises(ConflictError):
        await in_bulk(database, scope, stale)
    await write(database, scope, lambda writer: writer.update(tea, stock=5))
    with pytest.raises(ConflictError):
        await in_bulk(database, scope, lambda writer: writer.update(tea, stock=3))


async def test_every_check_is_made_when_rows_are_sent(database: Database, scope: Scope) -> None:
    await write(database, scope, lambda writer: writer.insert(product(scope, sku="TAKEN")))
    tea = product(scope)
    refused: list[tuple[type[Exception], Callable[[BulkWriter], Awaitable[object]]]] = [
        (ConflictError, lambda writer: writer.insert(product(scope, sku="TAKEN"))),
        (NotFoundError, lambda writer: writer.insert(product(scope, category_id=ProductCategory.new_id()))),
        (InvalidInputError, lambda writer: writer.insert(tea.model_copy(update={"stock": 1 << 70}))),
        (InvalidInputError, lambda writer: writer.insert(tea.model_copy(update={"name": "\ud800"}))),
        (InvalidInputError, lambda writer: writer.tally(Inventory, {(): {"units": 1 << 63}})),
        (TypeError, lambda writer: writer.tally(Summary, {("DAY",): {"sales_count": 1}})),
        (ValueError, lambda writer: writer.insert(tea.model_copy(update={"account_id": "acc_other"}))),
    ]
    for error, body in refused:
        with pytest.raises(error):
            await in_bulk(database, scope, body)
    assert await count(database, Product) == 1


async def test_ledger_entries_are_never_changed_and_nothing_is_deleted(database: Database, scope: Scope) -> None:
    values: dict[str, Any] = {"kind": "MANUAL", "currency": "EUR", "amount_minor": 1, "description": "", "occurred_on": "2026-11-24"}
    who: dict[str, Any] = {"account_id": scope.account_id, "source_id": None, "reverses_id": None, "recorded_by_id": scope.user_id}
    entry = LedgerEntry(id=LedgerEntry.new_id(), created_at=MOMENT, updated_at=MOMENT, occurred_at=MOMENT, **values, **who)

    async def change(writer: BulkWriter) -> None:
        await writer.update(await writer.insert(entry), amount_minor=2)

    with pytest.raises(TypeError):
        await in_bulk(database, scope, change)
    with pytest.raises(TypeError):
        await in_bulk(database, scope, lambda writer: writer.delete(entry))
    with pytest.raises(TypeError):
        await in_bulk(database, scope, lambda writer: writer.scan(LedgerEntry, "by_search", ("tea",), first=1))


async def test_what_refers_to_a_row_is_sent_after_it(database: Database, scope: Scope) -> None:
    async def body(writer: BulkWriter) -> None:
        tea, drinks = product(scope), category(scope)
        await writer.insert(movement(scope, tea))
        await writer.insert(tea.model_copy(update={"category_id": drinks.id}))
        await writer.insert(drinks)
        await writer.guard(tea)

    await in_bulk(database, scope, body)
    assert await count(database, Product) == 1


async def random_writes(writer: Writer, scope: Scope, seed: int) -> list[object]:
    """Writes and reads at random, on few rows and few values; what was read."""
    random, seen = Random(seed), list[object]()
    for _ in range(60):
        id, stock, sku = random.choice(NUMBERS), random.randrange(5), f"SKU-{random.randrange(100)}"
        row = await writer.get(Product, id)
        match random.randrange(6):
            case 0 | 1 if row is None and await writer.find(Product, "by_sku", sku) is None:
                await writer.insert(product(scope, id=id, stock=stock, sku=sku, name=sku))
            case 2 if row is not None:
                await writer.update(row, stock=stock, archived=random.random() < 0.3)
            case 3 if row is not None:
                await writer.increment(row, stock=stock)
            case 4:
                rows = await writer.scan(Product, "by_stock", (False,), first=5, descending=random.random() < 0.5, low=stock)
                seen.append([found.id for found in rows])
            case _:
                await writer.tally(Inventory, {(): {"units": stock, "value_minor": -stock}})
                seen.append(await writer.next_number(f"series {stock}"))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_it_does_what_a_writer_does(database: Database, seed: int) -> None:
    tables = ("products", "inventories", "counters")
    one, two = grant("acc_A", "usr_1", "OWNER"), grant("acc_B", "usr_1", "OWNER")
    # Later ones meet rows that are stored already.
    seen = [await write(database, one, partial(random_writes, scope=one, seed=100 * seed + portion)) for portion in range(3)]
    kept = [await stored(database, table, one) for table in tables]
    await empty(database)
    for portion in range(3):
        assert await in_bulk(database, two, partial(random_writes, scope=two, seed=100 * seed + portion)) == seen[portion]
    assert [await stored(database, table, two) for table in tables] == kept
    assert all(kept)
