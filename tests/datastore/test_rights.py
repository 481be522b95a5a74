"""Row-level policies, below the API; what they come to in the API is the matrix in tests/rights.md."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, get_args

import pytest

from datastore.bulk_writing import BulkWriter
from datastore.columns import columns_of
from datastore.database import Database
from datastore.errors import ForbiddenError
from datastore.reading import Reader, Snapshot
from datastore.rights import EVERYONE, NOBODY, ROLES, Act, Rights, is_masked, may_follow, view_of
from datastore.row_streams import stream_rows
from datastore.schema import TABLES, AuditEvent, Expense, Inventory, Job, Product, Sale, StockMovement, Summary
from datastore.scope import Role, Scope, grant
from datastore.tables import Index, OwnedRow, TableSpec
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.usage import Sharing, Usage
from tests.commands import Commands
from tests.datastore.samples import CURSORS, MOMENT, count, document_of, movement, product, reader_of, stored, write

ACTS: tuple[Act, ...] = get_args(Act)
OWNED = [table for table in TABLES if issubclass(table, OwnedRow)]


class Parcel(OwnedRow):
    """A table that says nothing of rights, and one that says much, below."""

    spec: ClassVar = TableSpec("parcels", "par", "parcel", indexes=(Index("by_cost", ("cost_minor",)), Index("by_user", ("user_id",))))

    cost_minor: int | None
    user_id: str


class Closed(Parcel):
    """Of which staff see only their own, and not at what cost."""

    spec: ClassVar = replace(Parcel.spec, rights=Rights(read=EVERYONE, hidden={"STAFF": ("cost_minor",)}, own={"STAFF": "user_id"}))


@pytest.fixture
def staff(scope: Scope) -> Scope:
    """Somebody of the staff of the same business."""
    return grant(scope.account_id, "usr_staff", "STAFF")


def job_of(scope: Scope) -> Job:
    """A job that somebody scheduled."""
    plain = {
        name: None if column.nullable else {"bool": True, "integer": 0}.get(column.kind, "") for name, column in columns_of(Job).items()
    }
    values = {**plain, "id": Job.new_id(), "account_id": scope.account_id, "user_id": scope.user_id, "status": "QUEUED"}
    moments = dict.fromkeys(("created_at", "updated_at", "run_at"), MOMENT)
    return Job.model_validate({**values, **moments})


# --- what tables declare ---


@pytest.mark.parametrize("table", OWNED, ids=lambda table: table.spec.name)
def test_a_hidden_column_can_be_null_and_an_own_one_begins_an_index(table: type[OwnedRow]) -> None:
    rights, columns = table.spec.rights, columns_of(table)
    for name in {name for names in rights.hidden.values() for name in names}:
        assert columns[name].nullable
        assert table.model_fields[name].is_required()
    for name in rights.own.values():
        assert columns[name].kind == "string"
        assert any(index.keys[:1] == (name,) for index in table.spec.indexes)


def test_a_table_that_declares_nothing_is_closed_to_staff() -> None:
    for act in ACTS:
        with pytest.raises(ForbiddenError):
            view_of(Parcel, "STAFF").check(act)
        view_of(Parcel, "MANAGER").check(act)
    assert not may_follow(Parcel, "STAFF")


def test_who_is_not_shown_all_of_a_row_can_be_given_no_right_to_change_it() -> None:
    for wrong in ({"change": EVERYONE}, {"delete": EVERYONE}, {"read": NOBODY}):
        with pytest.raises(TypeError):
            Rights(**{"read": EVERYONE, "hidden": {"STAFF": ("cost_minor",)}} | wrong)  # type: ignore[arg-type]


def test_no_list_is_ordered_by_what_a_role_is_not_shown_nor_goes_beyond_its_own_rows() -> None:
    view = view_of(Closed, "STAFF")
    view.check_scan("by_user", ("usr_1",), "usr_1")
    for index, equals in (("by_cost", ()), ("by_user", ()), ("by_user", ("usr_2",))):
        with pytest.raises(ForbiddenError):
            view.check_scan(index, equals, "usr_1")
        view_of(Closed, "MANAGER").check_scan(index, equals, "usr_1")
    assert not may_follow(Closed, "STAFF")
    assert may_follow(Closed, "MANAGER")


# --- reading ---


async def test_a_read_that_the_role_may_not_do_asks_the_database_nothing(
    database: Database, staff: Scope, scope: Scope, commands: Commands
) -> None:
    reader, id = reader_of(database, staff), Expense.new_id()
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: reader.get(Expense, id),
        lambda: reader.shown.get(Expense, id),
        lambda: reader.find(Summary, "by_key", "DAY", "2026-11-23"),
        lambda: reader.page(Expense, "by_incurred", (), first=1),
        lambda: anext(stream_rows(database, staff, Expense, "by_incurred")),
    ]
    before = commands.reads
    for attempt in attempts:
        with pytest.raises(ForbiddenError, match="STAFF"):
            await attempt()
    assert commands.reads == before
    assert await reader.node(id) is None
    assert (await reader_of(database, scope).page(Expense, "by_incurred", (), first=1)).rows == ()


async def test_a_hidden_column_is_null_wherever_a_row_comes_from(database: Database, staff: Scope, scope: Scope) -> None:
    row = product(scope, cost_minor=99, sku="T")
    await stored(database, row)
    reader = reader_of(database, staff)

    async def as_staff(db: Writer) -> list[Product | None]:
        [scanned] = await db.scan(Product, "by_name", (False,), first=5)
        return [
            await db.get(Product, row.id),
            await db.find(Product, "by_sku", "T"),
            (await db.get_all(Product, [row.id]))[row.id],
            await db.get_existing(Product, row.id),
            scanned,
        ]

    [batch] = [batch async for batch in stream_rows(database, staff, Product, "by_name", (False,))]
    found = [
        await reader.get(Product, row.id),
        await reader.node(row.id),
        await reader.find(Product, "by_sku", "T"),
        *(await reader.page(Product, "by_name", (False,), first=1)).rows,
        *batch,
        *await write(database, staff, as_staff),
    ]
    assert len(found) == 10
    assert {row.model_copy(update={"cost_minor": None}).model_dump_json()} == {one.model_dump_json() for one in found if one is not None}
    assert all(one is not None and is_masked(one) for one in found)
    assert await reader.for_business.get(Product, row.id) == row
    assert await reader_of(database, scope).get(Product, row.id) == row


async def test_staff_reach_the_rows_of_their_own_where_a_table_says_so(database: Database, staff: Scope, scope: Scope) -> None:
    mine, theirs = job_of(staff), job_of(scope)
    await stored(database, mine, theirs)
    reader = reader_of(database, staff)
    assert [await reader.get(Job, job.id) for job in (mine, theirs)] == [mine, None]
    assert [await reader.node(job.id) for job in (mine, theirs)] == [mine, None]
    assert (await reader.page(Job, "by_user", (staff.user_id, True), first=5)).rows == (mine,)
    for index, equals in (("by_created", (True,)), ("by_user", (scope.user_id, True))):
        with pytest.raises(ForbiddenError):
            await reader.page(Job, index, equals, first=5)
    assert len((await reader_of(database, scope).page(Job, "by_created", (True,), first=5)).rows) == 2
    assert await write(database, staff, lambda db: db.get_all(Job, [mine.id, theirs.id])) == {mine.id: mine}
    for change in (lambda db: db.update(theirs, listed=False), lambda db: db.insert(job_of(scope))):
        with pytest.raises(ForbiddenError):
            await write(database, staff, change)


@pytest.mark.parametrize(
    ("table", "role", "sharing"),
    [
        (StockMovement, "OWNER", Sharing.ACCOUNT),
        (Expense, "OWNER", Sharing.ROLE),
        (Job, "OWNER", Sharing.ROLE),
        (Job, "STAFF", Sharing.PERSON),
    ],
)
async def test_a_run_is_shared_with_those_whom_the_tables_it_read_show_the_same(
    database: Database, scope: Scope, table: type[OwnedRow], role: Role, sharing: Sharing
) -> None:
    usage, snapshot = Usage(), Snapshot(database)
    await Reader(snapshot, grant(scope.account_id, scope.user_id, role), CURSORS, usage).shown.get(table, table.new_id())
    assert usage.sharing_of(snapshot.read_set) == sharing


@pytest.mark.parametrize(
    ("selected", "sharing"), [({"name"}, Sharing.ACCOUNT), ({"name", "cost_minor"}, Sharing.ROLE), (None, Sharing.ROLE)]
)
async def test_a_column_that_is_hidden_from_some_parts_roles_only_where_it_is_selected(
    database: Database, scope: Scope, selected: set[str] | None, sharing: Sharing
) -> None:
    usage, snapshot = Usage(), Snapshot(database)
    await Reader(snapshot, scope, CURSORS, usage).shown.get(Product, Product.new_id())
    snapshot.read_set.selected = {"products": None if selected is None else frozenset(selected)}
    assert usage.sharing_of(snapshot.read_set) == sharing


# --- writing ---


async def test_what_the_role_may_not_write_is_refused_and_the_business_writes_it(database: Database, staff: Scope, scope: Scope) -> None:
    row = product(scope, cost_minor=99)
    await stored(database, row)
    attempts: list[Callable[[Writer], Awaitable[object]]] = [
        lambda db: db.insert(product(scope)),
        lambda db: db.insert_all([product(scope)]),
        lambda db: db.update(row, stock=1),
        lambda db: db.update_all([(row, {"stock": 1})]),
        lambda db: db.increment(row, stock=1),
        lambda db: db.delete(row),
        lambda db: db.tally(Inventory, {(): {"units": 1}}),
        lambda db: db.next_number("sales"),
        lambda db: db.scan(Expense, "by_incurred", (), first=1),
    ]
    for attempt in attempts:
        with pytest.raises(ForbiddenError, match="STAFF"):
            await write(database, staff, attempt)
    assert await document_of(database, row) == row.to_document()

    async def for_business(db: Writer) -> None:
        await db.for_business.update(row, stock=1)
        await db.for_business.tally(Inventory, {(): {"units": 1}})
        assert await db.for_business.next_number("sales") == 1

    await write(database, staff, for_business)
    assert ((await document_of(database, row)) or {})["stock"] == 1
    assert await count(database, Inventory) == 1


async def test_nobody_writes_what_only_the_business_does(database: Database, scope: Scope) -> None:
    event = AuditEvent(
        id=AuditEvent.new_id(),
        created_at=MOMENT,
        updated_at=MOMENT,
        account_id=scope.account_id,
        event="DELETED",
        user_id=scope.user_id,
        address="",
        subject_id="",
        detail="",
    )
    with pytest.raises(ForbiddenError):
        await write(database, scope, lambda db: db.insert(event))
    await write(database, scope, lambda db: db.for_business.insert(event))
    assert await count(database, AuditEvent) == 1


async def test_a_row_that_was_shown_in_part_is_changed_by_nobody(database: Database, staff: Scope, scope: Scope) -> None:
    """It would be taken for what is stored: its cost would be unknown to whatever reads it later in the transaction."""
    row = product(scope, cost_minor=99)
    await stored(database, row)

    async def body(db: Writer) -> None:
        await db.for_business.update(await db.get_existing(Product, row.id), stock=1)

    with pytest.raises(TypeError, match="without some of its columns"):
        await write(database, staff, body)


async def test_those_who_share_a_transaction_have_each_their_own_rights(database: Database, staff: Scope, scope: Scope) -> None:
    row = product(scope, cost_minor=99)
    await stored(database, row)

    async def body(transaction: Transaction) -> tuple[Product | None, Product | None]:
        db = BulkWriter(transaction, scope)
        theirs = db.acting_as(staff)
        changed = await db.update(row, stock=7)
        with pytest.raises(ForbiddenError):
            await theirs.insert(product(scope))
        with pytest.raises(ForbiddenError):
            await theirs.update(changed, stock=8)
        with pytest.raises(ForbiddenError):
            await theirs.tally(Inventory, {(): {"units": 1}})
        await theirs.for_business.insert(movement(scope, row))
        shown = await theirs.get(Product, row.id), await db.get(Product, row.id)
        await db.flush()
        return shown

    seen, kept = (await run_transaction(database, body)).value
    assert seen is not None
    assert kept is not None
    assert (seen.stock, seen.cost_minor, kept.stock, kept.cost_minor) == (7, None, 7, 99)
    assert ((await document_of(database, row)) or {})["cost_minor"] == 99
    assert await count(database, StockMovement) == 1
    with pytest.raises(ValueError, match="cannot write for"):
        await write(database, scope, _acts_elsewhere)


async def _acts_elsewhere(db: Writer) -> None:
    db.acting_as(grant("acc_other", "usr_1", "OWNER"))


def test_sales_are_open_to_staff_and_stay() -> None:
    assert may_follow(Sale, "STAFF")
    assert not any(Sale.spec.rights.allow("delete", role) for role in ROLES)
