import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from datastore import rows
from datastore.database import Database
from datastore.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from datastore.references import guard_rows
from datastore.schema import LedgerEntry, Product, ProductCategory, StockMovement
from datastore.scope import Scope, grant
from datastore.transactions import run_transaction
from datastore.writing import Writer
from tests.commands import Commands
from tests.datastore.samples import MOMENT, category, count, document_of, movement, product, stored, write


def entry(scope: Scope, **columns: Any) -> LedgerEntry:
    """A ledger entry of the scope's account."""
    plain: dict[str, Any] = {
        "id": LedgerEntry.new_id(),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "account_id": scope.account_id,
        "kind": "MANUAL",
        "currency": "EUR",
        "amount_minor": 100,
        "description": "Float",
        "occurred_at": MOMENT,
        "occurred_on": "2026-11-23",
        "source_id": None,
        "reverses_id": None,
        "recorded_by_id": scope.user_id,
    }
    return LedgerEntry(**plain | columns)


async def test_many_rows_are_inserted_with_one_command_and_read_back(database: Database, scope: Scope, commands: Commands) -> None:
    products = [product(scope, name=f"Tea {number}") for number in range(200)]
    before = commands.counts["insert"]
    inserted = await write(database, scope, lambda writer: writer.insert_all(products))
    assert commands.counts["insert"] - before == 1
    assert inserted == tuple(products)
    before = commands.reads
    found = await write(database, scope, lambda writer: writer.get_all(Product, [row.id for row in products]))
    assert commands.reads - before == 1
    assert found == {row.id: row for row in products}


@pytest.mark.slow
async def test_more_than_one_command_can_hold_are_split_by_number_and_by_size(database: Database, scope: Scope, commands: Commands) -> None:
    tea = product(scope)
    await stored(database, tea)
    before = commands.counts["insert"]
    await write(database, scope, lambda writer: writer.insert_all([movement(scope, tea) for _ in range(2001)]))
    assert commands.counts["insert"] - before == 3
    before = commands.counts["insert"]
    long = [product(scope, description="x" * 900_000) for _ in range(20)]
    await write(database, scope, lambda writer: writer.insert_all(long))
    assert commands.counts["insert"] - before == 3
    before = commands.counts["update"]
    changed = [(row, {"description": "y" * 900_000}) for row in long]
    await write(database, scope, lambda writer: writer.update_all(changed))
    assert commands.counts["update"] - before == 3
    assert [await count(database, StockMovement), await count(database, Product)] == [2001, 21]


async def test_many_rows_are_all_inserted_or_none(database: Database, scope: Scope) -> None:
    await stored(database, product(scope, sku="taken"))
    several = [product(scope, sku="free"), product(scope, sku="taken"), product(scope, sku="also free")]
    with pytest.raises(ConflictError, match="A product with this sku exists already"):
        await write(database, scope, lambda writer: writer.insert_all(several))
    broken = Product.model_construct(None, **{**dict(product(scope)), "stock": 1 << 63})
    with pytest.raises(InvalidInputError, match="stock"):
        await write(database, scope, lambda writer: writer.insert_all([product(scope), broken]))
    assert await count(database, Product) == 1


async def test_a_row_that_could_not_be_inserted_spoils_the_transaction(database: Database, scope: Scope) -> None:
    await stored(database, product(scope, sku="taken"))

    async def swallow(writer: Writer) -> None:
        with pytest.raises(ConflictError):
            await writer.insert_all([product(scope), product(scope, sku="taken")])

    with pytest.raises(ConflictError):
        await write(database, scope, swallow)
    assert await count(database, Product) == 1


async def test_references_of_many_rows_cost_one_read_and_one_guard_for_each_table(
    database: Database, scope: Scope, commands: Commands
) -> None:
    products = [product(scope, name=f"Tea {number}") for number in range(10)]
    await stored(database, *products)
    moved = [movement(scope, row) for row in products for _ in range(2)]
    reads, updates = commands.reads, commands.counts["update"]
    await write(database, scope, lambda writer: writer.insert_all(moved))
    assert (commands.reads - reads, commands.counts["update"] - updates) == (1, 1)
    for row in products:
        document = await document_of(database, row)
        assert document is not None
        assert document["guard"] == 1


async def test_what_the_transaction_wrote_itself_needs_no_guard(database: Database, scope: Scope, commands: Commands) -> None:
    known = product(scope)
    await stored(database, known)

    async def body(writer: Writer) -> None:
        [fresh] = await writer.insert_all([product(scope)])
        await writer.update_all([(known, {"stock": 3})])
        reads, updates = commands.reads, commands.counts["update"]
        await writer.insert_all([movement(scope, fresh), movement(scope, known)])
        assert (commands.reads - reads, commands.counts["update"] - updates) == (0, 0)

    await write(database, scope, body)


async def test_a_reference_to_nothing_among_many_is_named_and_nothing_is_stored(database: Database, scope: Scope) -> None:
    tea, theirs = product(scope), product(grant("acc_stranger", "usr_stranger", "OWNER"))
    await stored(database, tea, theirs)
    for wrong in (product(scope), theirs):
        with pytest.raises(NotFoundError, match="productId: there is no such product"):
            await write(database, scope, lambda writer, wrong=wrong: writer.insert_all([movement(scope, tea), movement(scope, wrong)]))  # type: ignore[misc]
    assert await count(database, StockMovement) == 0


async def test_a_referred_row_deleted_meanwhile_and_many_that_refer_are_never_both(database: Database, scope: Scope) -> None:
    teas = [category(scope, name=f"Tea {number}") for number in range(3)]
    await stored(database, *teas)
    met, tries = asyncio.Barrier(2), {"refer": 0, "delete": 0}

    async def at_once(writer: Writer, who: str, then: Callable[[Writer], Awaitable[Any]]) -> Any:
        await writer.get(ProductCategory, teas[1].id)
        tries[who] += 1
        if tries[who] == 1:
            await met.wait()
        return await then(writer)

    def refer(writer: Writer) -> Awaitable[Any]:
        return at_once(writer, "refer", lambda writer: writer.insert_all([product(scope, category_id=row.id) for row in teas]))

    def delete(writer: Writer) -> Awaitable[Any]:
        return at_once(writer, "delete", lambda writer: writer.delete(teas[1]))

    async with asyncio.timeout(10):
        results: Any = await asyncio.gather(write(database, scope, refer), write(database, scope, delete), return_exceptions=True)
    referred, deleted = results
    assert isinstance(referred, tuple) == isinstance(deleted, ConflictError), (referred, deleted)
    assert await count(database, Product) == (3 if isinstance(referred, tuple) else 0)


async def test_many_rows_are_changed_with_one_command_each_as_update_would(database: Database, scope: Scope, commands: Commands) -> None:
    products = [product(scope, name=f"Tea {number}", stock=number) for number in range(5)]
    await stored(database, *products)
    before = commands.counts["update"]
    changes = [(row, {"stock": row.stock - 1}) for row in products]
    changes[2] = (products[2], {"stock": 2})
    fresh = await write(database, scope, lambda writer: writer.update_all(changes))
    assert commands.counts["update"] - before == 1
    assert [row.stock for row in fresh] == [-1, 0, 2, 2, 3]
    assert fresh[2] is products[2], "what does not change is not written"
    assert fresh[0].low_stock
    found = await write(database, scope, lambda writer: writer.get_all(Product, [row.id for row in products]))
    assert list(found.values()) == list(fresh)


async def test_one_row_that_has_changed_since_keeps_all_from_changing(database: Database, scope: Scope) -> None:
    one, two = product(scope, name="one"), product(scope, name="two")
    await stored(database, one, two)
    await write(database, scope, lambda writer: writer.update(two, stock=1))
    with pytest.raises(ConflictError, match="meanwhile"):
        await write(database, scope, lambda writer: writer.update_all([(one, {"stock": 7}), (two, {"stock": 7})]))

    async def swallow(writer: Writer) -> None:
        with pytest.raises(ConflictError):
            await writer.update_all([(one, {"stock": 7}), (two, {"stock": 7})])

    with pytest.raises(ConflictError, match="meanwhile"):
        await write(database, scope, swallow)
    found = await write(database, scope, lambda writer: writer.get_all(Product, [one.id, two.id]))
    assert [row.stock for row in found.values()] == [10, 1]


async def test_nothing_at_all_is_written_by_no_rows(database: Database, scope: Scope) -> None:
    async def body(writer: Writer) -> None:
        assert await writer.insert_all([]) == ()
        assert await writer.update_all([]) == ()
        assert await writer.get_all(Product, []) == {}
        assert not writer.changed

    await write(database, scope, body)


async def test_only_those_that_exist_in_the_account_are_got(database: Database, scope: Scope) -> None:
    mine, theirs = product(scope), product(grant("acc_stranger", "usr_stranger", "OWNER"))
    await stored(database, mine, theirs)

    async def body(writer: Writer) -> None:
        asked = [mine.id, theirs.id, Product.new_id(), ProductCategory.new_id(), "\ud800", "", mine.id]
        assert await writer.get_all(Product, asked) == {mine.id: mine}
        [made] = await writer.insert_all([product(scope)])
        await writer.delete(mine)
        assert await writer.get_all(Product, [mine.id, made.id]) == {made.id: made}

    await write(database, scope, body)


async def test_rows_of_two_tables_or_of_others_or_twice_are_refused(database: Database, scope: Scope) -> None:
    tea, theirs = product(scope), product(grant("acc_stranger", "usr_stranger", "OWNER"))
    await stored(database, tea)
    attempts: list[tuple[type[Exception], Callable[[Writer], Awaitable[Any]]]] = [
        (TypeError, lambda writer: writer.insert_all([tea, category(scope)])),
        (TypeError, lambda writer: writer.update_all([(tea, {"id": "prd_1"})])),
        (ValueError, lambda writer: writer.insert_all([tea, theirs])),
        (ValueError, lambda writer: writer.update_all([(theirs, {"stock": 1})])),
        (ValueError, lambda writer: writer.update_all([(tea, {"stock": 1}), (tea, {"stock": 2})])),
        (ValueError, lambda writer: writer.insert_all([product(scope, id="cat_1")])),
    ]
    for expected, attempt in attempts:
        with pytest.raises(expected):
            await write(database, scope, attempt)
    assert await count(database, Product) == 1


async def test_an_append_only_row_is_written_once_and_there_is_no_way_to_change_or_delete_it(database: Database, scope: Scope) -> None:
    row = await write(database, scope, lambda writer: writer.insert(entry(scope)))
    before = await document_of(database, row)
    ways: dict[str, Callable[[Writer], Awaitable[Any]]] = {
        "update": lambda writer: writer.update(row, amount_minor=1),
        "update_all": lambda writer: writer.update_all([(row, {"amount_minor": 1})]),
        "increment": lambda writer: writer.increment(row, amount_minor=1),
        "delete": lambda writer: writer.delete(row),
        "guard": lambda writer: writer.guard(row),
        "tally": lambda writer: writer.tally(LedgerEntry, {(None,): {"amount_minor": 1}}),  # type: ignore[arg-type]
    }
    harmless = {"get", "get_all", "get_existing", "find", "scan", "insert", "insert_all", "next_number", "put_ticket", "drop_ticket"}
    harmless |= {"acting_as", "require"}  # which touch no row
    public = {name for name, _ in inspect.getmembers(Writer, inspect.isfunction) if not name.startswith("_")}
    assert public == ways.keys() | harmless, "a new method of Writer must be weighed here"
    for way in ways.values():
        with pytest.raises((TypeError, ForbiddenError)):
            await write(database, scope, way)
    assert await document_of(database, row) == before


async def test_rows_refuse_to_change_what_is_append_only_whoever_asks(database: Database, scope: Scope) -> None:
    row = entry(scope)
    await stored(database, row)
    owner = scope.account_id
    ways: list[Callable[[Any], Awaitable[Any]]] = [
        lambda transaction: rows.update_row(transaction, owner, row, {"amount_minor": 1}),
        lambda transaction: rows.update_rows(transaction, owner, [(row, {"amount_minor": 1})]),
        lambda transaction: rows.increment_row(transaction, owner, row, {"amount_minor": 1}),
        lambda transaction: rows.delete_rows(transaction, owner, LedgerEntry, [row.id]),
        lambda transaction: guard_rows(transaction, owner, LedgerEntry, [row.id]),
    ]
    for way in ways:
        with pytest.raises(TypeError, match="append-only"):
            await run_transaction(database, way)
    assert await document_of(database, row) == row.to_document()
