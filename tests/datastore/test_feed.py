"""The order of all changes, what of it an account is told of, and catching up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from datastore import feed
from datastore.changes import Change, ChangeStream
from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import ConflictError, InvalidInputError
from datastore.feed import Position, Stretch, catch_up, cursor_of, end_of, operation_of, position_at, position_of
from datastore.schema import TABLES_BY_NAME
from datastore.scope import Scope, grant
from datastore.tables import OwnedRow
from datastore.versions import Version, to_wire
from datastore.writing import Writer
from tests.datastore.samples import CURSORS, category, document_of, movement, product, stored, write

TIME = Version(7 << 32)


def change(**columns: Any) -> Change:
    """A change of the account acc's category."""
    plain: dict[str, Any] = {
        "time": TIME,
        "table": "product_categories",
        "id": "pct_1",
        "kind": "update",
        "row": None,
        "fields": frozenset({"name"}),
        "owner": "acc",
        "token": "8265",
    }
    return Change(**plain | columns)


@pytest.mark.parametrize(
    ("columns", "operation"),
    [
        ({"kind": "insert", "fields": None}, "INSERT"),
        ({}, "UPDATE"),
        ({"kind": "replace", "fields": None}, "UPDATE"),
        ({"fields": frozenset({"guard", "name"})}, "UPDATE"),
        ({"fields": frozenset({"guard"})}, None),
        ({"fields": frozenset({"farewell"}), "parting": True}, "DELETE"),
        ({"kind": "delete", "fields": None, "owner": None}, None),
        ({"owner": None}, None),
        ({"table": "users"}, None),
        ({"table": "sessions"}, None),
        ({"table": "idempotency_keys", "kind": "insert"}, None),
    ],
)
def test_what_an_account_is_told_of(columns: dict[str, Any], operation: str | None) -> None:
    assert operation_of(change(**columns)) == operation


def test_no_table_without_an_owner_is_ever_told_of() -> None:
    told = {name for name in TABLES_BY_NAME if operation_of(change(table=name)) is not None}
    unfollowed = {name for name, table in TABLES_BY_NAME.items() if not table.spec.followed}
    sums = {"counters", "summaries", "breakdowns", "inventories", "storage_usages"}
    work = {"jobs", "idempotency_keys", "doomed_bytes", "summary_mails", "webhook_endpoints", "webhook_deliveries", "payment_events"}
    parts = {"expense_receipts", "thumbnails"}  # of expenses and of files, which are followed
    assert unfollowed == sums | work | parts | {"api_keys", "audit_events", "invitations"}
    assert told == {name for name, table in TABLES_BY_NAME.items() if issubclass(table, OwnedRow)} - unfollowed


def test_positions_follow_each_other_as_the_changes_do() -> None:
    first, second, later = change(token="8265AA"), change(token="8265AB"), change(time=Version(TIME + 1), token="8264")
    places = [position_of(first), position_of(second), end_of(TIME), position_of(later), end_of(later.time)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_a_cursor_is_good_for_its_account_alone() -> None:
    cursor = cursor_of(CURSORS, "acc", change())
    assert position_at(CURSORS, "acc", cursor) == Position(TIME, "8265")
    with pytest.raises(InvalidInputError):
        position_at(CURSORS, "acd", cursor)
    with pytest.raises(InvalidInputError):
        position_at(CURSORS, "acc", CURSORS.sign(b"products", [1, 2]))


def test_a_version_is_the_place_behind_all_its_changes() -> None:
    assert position_at(CURSORS, "acc", to_wire(TIME)) == end_of(TIME) > position_of(change())


async def now(database: Database) -> Version:
    return await database.ping()


async def all_stretches(database: Database, scope: Scope, after: Position) -> AsyncIterator[Stretch]:
    """Stretch after stretch, up to now."""
    until = await now(database)
    while True:
        stretch = await catch_up(database, scope.account_id, after, until)
        yield stretch
        if stretch.complete:
            return
        assert stretch.reached > after
        after = stretch.reached


async def test_catching_up_tells_an_account_all_of_its_own_in_order(database: Database, scope: Scope) -> None:
    start = end_of(await now(database))
    other = grant("acc_other", "usr_other", "OWNER")
    rows = [category(scope, name=str(number)) for number in range(3)]
    for row in rows:
        await stored(database, category(other, name=row.id), row)
    await write(database, scope, lambda writer: writer.delete(rows[1]))
    [stretch] = [stretch async for stretch in all_stretches(database, scope, start)]
    told = [(operation_of(change), change.id) for change in stretch.changes]
    assert told == [*(("INSERT", row.id) for row in rows), ("DELETE", rows[1].id)]


async def test_a_long_way_is_read_in_stretches(database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STRETCH_CHANGES", 20)
    monkeypatch.setattr(feed, "_BATCH", 10)
    start = end_of(await now(database))
    rows = [category(scope, name=str(number)) for number in range(95)]
    await stored(database, *rows[:30])

    async def all_at_once(writer: Writer) -> None:
        for row in rows[30:]:
            await writer.insert(row)

    await write(database, scope, all_at_once)
    stretches = [stretch async for stretch in all_stretches(database, scope, start)]
    assert max(len(stretch.changes) for stretch in stretches) < 40
    assert [change.id for stretch in stretches for change in stretch.changes] == [row.id for row in rows]


async def test_catching_up_from_amid_a_transaction_goes_on_amid_it(database: Database, scope: Scope) -> None:
    start = end_of(await now(database))
    coffee = product(scope)
    await stored(database, coffee, *(movement(scope, coffee) for _ in range(20)))
    await write(database, scope, lambda writer: writer.delete(coffee))
    [whole] = [stretch async for stretch in all_stretches(database, scope, start)]
    ids = [change.id for change in whole.changes]
    assert len(ids) == 42
    for position in (21, 30, 40):
        rest = await catch_up(database, scope.account_id, position_of(whole.changes[position]), whole.changes[-1].time)
        assert [change.id for change in rest.changes] == ids[position + 1 :]


async def test_an_account_without_changes_comes_as_far_as_the_others(database: Database, scope: Scope) -> None:
    start = end_of(await now(database))
    other = grant("acc_other", "usr_other", "OWNER")
    await stored(database, *(category(other, name=str(number)) for number in range(300)))
    [stretch] = [stretch async for stretch in all_stretches(database, scope, start)]
    assert stretch.changes == []
    assert stretch.reached > start


async def test_where_rows_went_without_events_nobody_is_told_that_all_is_well(mongod: MongoServer, scope: Scope) -> None:
    database = await Database.connect(mongod.uri, "feed_tests")
    await database.command({"create": "products"})
    start = end_of(await now(database))
    await database.command({"drop": "products"})
    with pytest.raises(ConflictError, match="read everything again"):
        await catch_up(database, scope.account_id, start, await now(database))
    await database.command({"dropDatabase": 1})
    await database.close()


async def test_the_farewell_is_never_seen_in_a_stored_row(database: Database, scope: Scope) -> None:
    tea = category(scope)
    await stored(database, tea)

    async def delete_and_fail(writer: Writer) -> None:
        await writer.delete(tea)
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        await write(database, scope, delete_and_fail)
    assert "farewell" not in (await document_of(database, tea) or {})


async def test_a_farewell_is_the_only_event_that_tells_whose_a_deleted_row_was(database: Database, scope: Scope) -> None:
    tea = category(scope)
    await stored(database, tea)
    stream = ChangeStream(database)
    await stream.open()
    await write(database, scope, lambda writer: writer.delete(tea))
    changes: list[Change] = []
    while len(changes) < 2:
        changes += await stream.next_batch()
    await stream.close()
    farewell, deletion = changes
    assert (farewell.parting, farewell.owner, farewell.id) == (True, scope.account_id, tea.id)
    assert (deletion.kind, deletion.owner, deletion.time) == ("delete", None, farewell.time)
    assert farewell.token < deletion.token
