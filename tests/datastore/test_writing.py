import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import ConflictError, InvalidInputError, NotFoundError
from datastore.schema import Product, ProductCategory, Session, Settings, User
from datastore.scope import Scope, grant
from datastore.transactions import Transaction, run_transaction
from datastore.writing import IdentityWriter, Writer
from tests.commands import Commands
from tests.datastore.samples import MOMENT, category, count, document_of, product, stored, user, write


async def test_what_is_inserted_is_what_is_returned_and_read_back(database: Database, scope: Scope) -> None:
    odd = datetime(2026, 11, 23, 14, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    row = product(scope, name="Café\x00🍰", created_at=odd, price_minor=(1 << 63) - 1, stock=-(1 << 63))
    inserted = await write(database, scope, lambda writer: writer.insert(row))
    assert inserted.created_at == datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
    assert await write(database, scope, lambda writer: writer.get(Product, row.id)) == inserted


async def test_fifty_inserts_of_one_sku_at_once_are_one_row_and_49_conflicts(database: Database, scope: Scope) -> None:
    results = await asyncio.gather(
        *(write(database, scope, lambda writer: writer.insert(product(scope, sku="same"))) for _ in range(50)), return_exceptions=True
    )
    conflicts = [result for result in results if isinstance(result, ConflictError)]
    assert len(conflicts) == 49, results
    assert {conflict.message for conflict in conflicts} == {"A product with this sku exists already."}
    assert await count(database, Product) == 1


async def test_the_same_key_in_two_accounts_and_no_key_twice_are_no_conflict(database: Database, scope: Scope) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    await write(database, stranger, lambda writer: writer.insert(product(stranger, sku="same")))
    for sku in ("same", None, None):
        await write(database, scope, lambda writer, sku=sku: writer.insert(product(scope, sku=sku)))  # type: ignore[misc]
    assert await count(database, Product) == 4


async def test_a_conflict_speaks_of_the_callers_columns(database: Database, scope: Scope) -> None:
    await write(database, scope, lambda writer: writer.insert(category(scope, name="Drinks")))
    with pytest.raises(ConflictError, match=r"^A product category with this name exists already\.$"):
        await write(database, scope, lambda writer: writer.insert(category(scope, name="DRÍNKS")))
    plain = {"business_name": "", "currency": "EUR", "currency_fixed": False, "time_zone": "UTC", "locale": "en"}

    def settings() -> Settings:
        fields: dict[str, Any] = {"id": Settings.new_id(), "created_at": MOMENT, "updated_at": MOMENT, "account_id": scope.account_id}
        return Settings(**fields | plain)

    await write(database, scope, lambda writer: writer.insert(settings()))
    with pytest.raises(ConflictError, match=r"^This account has its settings already\.$"):
        await write(database, scope, lambda writer: writer.insert(settings()))


async def test_an_update_to_a_taken_key_is_a_conflict(database: Database, scope: Scope) -> None:
    one, two = product(scope, sku="one"), product(scope, sku="two")
    await stored(database, one, two)
    with pytest.raises(ConflictError, match="sku"):
        await write(database, scope, lambda writer: writer.update(two, sku="one"))


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"name": "\ud800"}, "name"),
        ({"description": "half \udfff"}, "description"),
        ({"price_minor": 1 << 63}, "price"),
        ({"stock": -(1 << 63) - 1}, "stock"),
        ({"stock": 10**40}, "stock"),
        ({"name": "x" * 5000}, "name"),
        ({"name": "ﷺ" * 400}, "name"),
        ({"sku": "x" * 5000}, "sku"),
        ({"description": "x" * (1 << 20)}, "description"),
        ({"stock": 1.5}, "stock"),
        ({"stock": True}, "stock"),
        ({"stock": None}, "stock"),
        ({"name": 7}, "name"),
        ({"name": {"$gt": ""}}, "name"),
        ({"archived": "yes"}, "archived"),
        ({"created_at": datetime(2026, 1, 1)}, "createdAt"),  # noqa: DTZ001  # that it has no zone is the point
        ({"created_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))}, "createdAt"),
    ],
)
async def test_what_cannot_be_stored_is_invalid_input_by_name(database: Database, scope: Scope, columns: dict[str, Any], path: str) -> None:
    good = product(scope, stock=5)
    bad = Product.model_construct(None, **{**dict(good), "id": Product.new_id(), **columns})
    with pytest.raises(InvalidInputError) as refused:
        await write(database, scope, lambda writer: writer.insert(bad))
    assert path in {problem.path for problem in refused.value.fields}
    await stored(database, good)
    changes = {name: value for name, value in columns.items() if name != "created_at"}
    if changes:
        with pytest.raises(InvalidInputError):
            await write(database, scope, lambda writer: writer.update(good, **changes))
    assert await count(database, Product) == 1


async def test_an_update_sets_only_what_differs_computed_columns_included(database: Database, scope: Scope) -> None:
    coffee = product(scope, name="Coffee", stock=10)
    await stored(database, coffee)
    stream = database.watch([])
    async with stream:
        await stream.try_next()
        await write(database, scope, lambda writer: writer.update(coffee, name="MOCHA", stock=1, price_minor=coffee.price_minor))
        async with asyncio.timeout(10):
            event = await stream.next()
    changed = event["updateDescription"]["updatedFields"]
    assert changed.keys() == {"name", "name_key", "search_keys", "stock", "low_stock", "updated_at"}
    assert (changed["name_key"], changed["low_stock"]) == ("mocha", True)


async def test_an_update_that_changes_nothing_writes_nothing(database: Database, scope: Scope, commands: Commands) -> None:
    coffee = product(scope)
    await stored(database, coffee)
    before = commands.counts["update"]
    assert await write(database, scope, lambda writer: writer.update(coffee, name=coffee.name)) is coffee
    assert commands.counts["update"] == before


async def test_an_update_of_a_row_that_has_changed_since_is_a_conflict(database: Database, scope: Scope) -> None:
    coffee = product(scope)
    await stored(database, coffee)
    await write(database, scope, lambda writer: writer.update(coffee, name="first"))
    with pytest.raises(ConflictError, match="meanwhile"):
        await write(database, scope, lambda writer: writer.update(coffee, name="second"))
    gone = product(scope)
    with pytest.raises(ConflictError, match="meanwhile"):
        await write(database, scope, lambda writer: writer.update(gone, name="third"))


async def test_a_row_updated_twice_at_one_moment_still_has_two_times(database: Database, scope: Scope) -> None:
    late = product(scope, updated_at=datetime(2999, 1, 1, tzinfo=UTC))
    await stored(database, late)

    async def twice(writer: Writer) -> Product:
        return await writer.update(await writer.update(late, stock=1), stock=2)

    assert (await write(database, scope, twice)).updated_at == late.updated_at + timedelta(milliseconds=2)


async def test_no_value_becomes_an_operator(database: Database, scope: Scope) -> None:
    coffee = product(scope, name="$name", description="$$ROOT", sku="$where")
    await write(database, scope, lambda writer: writer.insert(coffee))
    renamed = await write(database, scope, lambda writer: writer.update(coffee, description="$unset", barcode="$account_id"))
    found = await write(database, scope, lambda writer: writer.find(Product, "by_sku", "$where"))
    assert found == renamed
    assert (renamed.name, renamed.description, renamed.barcode) == ("$name", "$unset", "$account_id")


async def test_increments_add_up_however_old_the_row_in_hand_is(database: Database, scope: Scope) -> None:
    coffee = product(scope, stock=3)
    await stored(database, coffee)

    async def sell_twice(writer: Writer) -> Product:
        await writer.increment(coffee, stock=-1)
        return await writer.increment(coffee, stock=-1)

    sold = await asyncio.gather(*(write(database, scope, sell_twice) for _ in range(5)))
    assert sorted(row.stock for row in sold) == [-7, -5, -3, -1, 1]
    assert {row.low_stock for row in sold} == {True}


async def test_an_increment_beyond_64_bits_is_invalid_input(database: Database, scope: Scope) -> None:
    coffee = product(scope, stock=(1 << 63) - 1)
    await stored(database, coffee)
    with pytest.raises(InvalidInputError) as refused:
        await write(database, scope, lambda writer: writer.increment(coffee, stock=1))
    assert refused.value.fields[0].path == "stock"
    with pytest.raises(TypeError):
        await write(database, scope, lambda writer: writer.increment(coffee, name=1))
    with pytest.raises(ConflictError):
        await write(database, scope, lambda writer: writer.increment(product(scope), stock=1))


@pytest.mark.parametrize(
    "columns", [{"id": "prd_1"}, {"account_id": "acc_1"}, {"name_key": "x"}, {"guard": 1}, {"nonsense": 1}, {"updated_at": MOMENT}]
)
async def test_only_columns_of_its_own_can_be_changed(database: Database, scope: Scope, columns: dict[str, Any]) -> None:
    coffee = product(scope)
    await stored(database, coffee)
    with pytest.raises(TypeError):
        await write(database, scope, lambda writer: writer.update(coffee, **columns))


async def test_a_row_of_another_account_cannot_be_written_at_all(database: Database, scope: Scope) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    theirs = product(stranger)
    await stored(database, theirs)
    attempts: list[Callable[[Writer], Awaitable[Any]]] = [
        lambda writer: writer.insert(product(stranger)),
        lambda writer: writer.update(theirs, name="mine"),
        lambda writer: writer.increment(theirs, stock=1),
        lambda writer: writer.delete(theirs),
        lambda writer: writer.guard(theirs),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="another account"):
            await write(database, scope, attempt)
    # Not even with a row that claims to be one's own.
    claimed = theirs.model_copy(update={"account_id": scope.account_id})
    for attempt in (
        lambda writer: writer.update(claimed, name="mine"),
        lambda writer: writer.delete(claimed),
        lambda writer: writer.guard(claimed),
    ):
        with pytest.raises(ConflictError):
            await write(database, scope, attempt)
    assert await write(database, scope, lambda writer: writer.get(Product, theirs.id)) is None
    assert await write(database, stranger, lambda writer: writer.get(Product, theirs.id)) == theirs


async def test_what_does_not_exist_is_not_found_by_its_noun_and_path(database: Database, scope: Scope) -> None:
    with pytest.raises(NotFoundError, match=r"input\.productId: there is no such product"):
        await write(database, scope, lambda writer: writer.get_existing(Product, Product.new_id(), "input.productId"))
    for hostile in ("", "\ud800", ProductCategory.new_id(), "x" * 10_000):
        with pytest.raises(InvalidInputError) as refused:
            await write(database, scope, lambda writer, hostile=hostile: writer.get_existing(Product, hostile, "id"))  # type: ignore[misc]
        assert refused.value.fields[0].path == "id"


async def test_a_reference_must_be_to_a_row_of_the_same_account(database: Database, scope: Scope) -> None:
    theirs = category(grant("acc_stranger", "usr_stranger", "OWNER"))
    await stored(database, theirs)
    coffee = product(scope)
    await stored(database, coffee)
    for id in (theirs.id, ProductCategory.new_id(), "nonsense", Product.new_id()):
        with pytest.raises(NotFoundError, match="categoryId: there is no such product category"):
            await write(database, scope, lambda writer, id=id: writer.insert(product(scope, category_id=id)))  # type: ignore[misc]
        with pytest.raises(NotFoundError):
            await write(database, scope, lambda writer, id=id: writer.update(coffee, category_id=id))  # type: ignore[misc]
    assert await count(database, Product) == 1


async def test_a_row_deleted_while_it_is_being_referred_to_stays_or_is_not_referred_to(database: Database, scope: Scope) -> None:
    for _ in range(5):
        drinks = category(scope, name=ProductCategory.new_id())
        await stored(database, drinks)
        async with asyncio.timeout(10):
            referred, deleted = await _at_once(
                database,
                scope,
                drinks,
                lambda writer, row: writer.insert(product(scope, category_id=row.id)),
                lambda writer, row: writer.delete(row),
            )
        assert isinstance(referred, Product | NotFoundError)
        assert isinstance(deleted, ConflictError | None)
        assert isinstance(referred, Product) == (deleted is not None), "exactly one of them happens"
        assert (await document_of(database, drinks) is None) == (deleted is None)


async def _at_once(
    database: Database, scope: Scope, row: ProductCategory, *bodies: Callable[[Writer, ProductCategory], Awaitable[Any]]
) -> list[Any]:
    """What transactions return or raise all of which have the row in their first snapshot before any goes on."""
    met = asyncio.Barrier(len(bodies))

    async def one(body: Callable[[Writer, ProductCategory], Awaitable[Any]]) -> Any:
        tries = 0

        async def after_meeting(writer: Writer) -> Any:
            nonlocal tries
            tries += 1
            await writer.get(ProductCategory, row.id)
            if tries == 1:
                await met.wait()
            return await body(writer, row)

        return await write(database, scope, after_meeting)

    return await asyncio.gather(*(one(body) for body in bodies), return_exceptions=True)


async def test_a_referred_row_is_guarded_which_nobody_sees(database: Database, scope: Scope) -> None:
    drinks = category(scope)
    await stored(database, drinks)
    await write(database, scope, lambda writer: writer.insert(product(scope, category_id=drinks.id)))
    document = await document_of(database, drinks)
    assert document is not None
    assert document["guard"] == 1
    assert await write(database, scope, lambda writer: writer.get(ProductCategory, drinks.id)) == drinks


async def test_an_update_that_leaves_a_reference_alone_does_not_touch_what_it_refers_to(database: Database, scope: Scope) -> None:
    drinks = category(scope)
    coffee = product(scope, category_id=drinks.id)
    await stored(database, drinks, coffee)
    await write(database, scope, lambda writer: writer.update(coffee, stock=3))
    assert await document_of(database, drinks) == drinks.to_document()


async def test_identity_is_written_by_its_own_writer(database: Database) -> None:
    ann = user(email="ann@example.org")

    async def body(transaction: Transaction) -> None:
        identity = IdentityWriter(transaction)
        await identity.insert(ann)
        await identity.guard(ann)
        named = await identity.update(ann, name="Ann")
        assert await identity.find(User, "by_email", "ann@example.org") == named == await identity.get(User, ann.id)

    await run_transaction(database, body)

    async def twice(transaction: Transaction) -> None:
        await IdentityWriter(transaction).insert(user(email="ann@example.org"))

    with pytest.raises(ConflictError, match=r"^A user with this email exists already\.$"):
        await run_transaction(database, twice)

    async def delete(transaction: Transaction) -> None:
        identity = IdentityWriter(transaction)
        row = await identity.get(User, ann.id)
        assert row is not None
        await identity.delete(row)
        assert await identity.delete_all(Session, "by_user", ann.id) == 0

    await run_transaction(database, delete)
    assert await count(database, User) == 0


async def test_all_sessions_of_a_user_end_at_once_and_no_others(database: Database) -> None:
    def session(user_id: str, number: int) -> Session:
        fields: dict[str, Any] = {"id": Session.new_id(), "created_at": MOMENT, "updated_at": MOMENT, "user_id": user_id}
        plain = {"account_id": "acc_1", "role": "OWNER", "refresh_hash": f"{user_id}{number}", "previous_refresh_hash": None}
        return Session(**fields | plain | {"refreshed_at": MOMENT, "expires_at": MOMENT, "user_agent": ""})

    await stored(database, *(session("usr_1", number) for number in range(7)), session("usr_2", 1))

    async def body(transaction: Transaction) -> int:
        return await IdentityWriter(transaction).delete_all(Session, "by_user", "usr_1")

    assert (await run_transaction(database, body)).value == 7
    assert await count(database, Session) == 1


async def test_each_writer_refuses_the_tables_of_the_other(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction) -> None:
        identity, writer = IdentityWriter(transaction), Writer(transaction, scope)
        with pytest.raises(TypeError):
            await identity.insert(product(scope))  # type: ignore[type-var]
        with pytest.raises(TypeError):
            await identity.get(Product, Product.new_id())  # type: ignore[type-var]
        with pytest.raises(TypeError):
            await writer.get(User, User.new_id())  # type: ignore[type-var]

    await run_transaction(database, body)


@pytest.mark.parametrize(
    "text", ["é", "ж", "日", "\U0001f600"], ids=["two bytes", "two bytes of another script", "three bytes", "four bytes"]
)
@pytest.mark.parametrize("shift", range(4))
async def test_a_taken_key_is_a_conflict_however_many_bytes_its_text_has(database: Database, scope: Scope, text: str, shift: int) -> None:
    """The server cuts the message that quotes it off anywhere, in the middle of a character too."""
    name = "a" * shift + text * 190
    await write(database, scope, lambda writer: writer.insert(category(scope, name=name)))
    with pytest.raises(ConflictError, match=r"^A product category with this name exists already\.$"):
        await write(database, scope, lambda writer: writer.insert(category(scope, name=name)))
    [row] = await write(database, scope, lambda writer: writer.scan(ProductCategory, "by_position", (), first=2))
    assert row.name == name


@pytest.mark.parametrize("descending", [False, True])
async def test_a_scan_goes_on_behind_the_row_that_it_gave_last(database: Database, scope: Scope, descending: bool) -> None:
    """Through rows with the same keys as well, which only their ids tell apart."""
    rows = [category(scope, name=str(n), position=n // 3) for n in range(7)]
    await stored(database, *rows)

    async def paged(writer: Writer) -> list[ProductCategory]:
        found: list[ProductCategory] = []
        last = None
        while page := await writer.scan(ProductCategory, "by_position", (), first=2, descending=descending, after=last):
            found += page
            last = page[-1]
        return found

    expected = sorted(rows, key=lambda row: (row.position, row.id), reverse=descending)
    assert await write(database, scope, paged) == expected
