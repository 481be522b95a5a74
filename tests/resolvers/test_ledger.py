from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.errors import ConflictError, NotFoundError
from datastore.scope import Scope
from datastore.writing import Writer
from resolvers import ledger
from resolvers.functions import MutationContext
from tests.datastore.samples import write

T = TypeVar("T")
MOMENT = datetime(2026, 3, 31, 12, tzinfo=UTC)
SOURCE = "sal_01J0000000000000000000000A"


async def mutate(database: Database, scope: Scope, body: Callable[[MutationContext], Awaitable[T]], now: datetime = MOMENT) -> T:
    """What a body returns, as a mutation."""

    async def with_context(db: Writer) -> T:
        return await body(MutationContext(scope=scope, db=db, now=now))

    return await write(database, scope, with_context)


async def post(ctx: MutationContext, **columns: Any) -> tables.LedgerEntry:
    plain: dict[str, Any] = {"kind": "SALE", "currency": "EUR", "amount_minor": 500, "description": "Sale 1", "source_id": SOURCE}
    return await ledger.post(ctx, **plain | {"occurred_at": MOMENT - timedelta(days=9), "occurred_on": "2026-03-22"} | columns)


async def change(ctx: MutationContext) -> tables.LedgerEntry:
    await ledger.reverse(ctx, await ledger.standing_entry(ctx.db, SOURCE), "Change")
    return await post(ctx)


async def test_an_entry_says_what_it_was_told_and_who_told_it(database: Database, scope: Scope) -> None:
    entry = await mutate(database, scope, post)
    assert (entry.kind, entry.amount_minor, entry.occurred_on, entry.source_id) == ("SALE", 500, "2026-03-22", SOURCE)
    assert (entry.created_at, entry.recorded_by_id, entry.reverses_id) == (MOMENT, scope.user_id, None)


async def test_a_reversal_mirrors_what_it_reverses(database: Database, scope: Scope) -> None:
    entry = await mutate(database, scope, post)
    later = MOMENT + timedelta(days=1)
    reversal = await mutate(database, scope, lambda ctx: ledger.reverse(ctx, entry, "Void"), later)
    same = {"kind", "currency", "occurred_at", "occurred_on", "source_id", "account_id"}
    assert reversal.model_dump(include=same) == entry.model_dump(include=same)
    assert (reversal.amount_minor, reversal.reverses_id, reversal.created_at) == (-500, entry.id, later)


async def test_an_entry_is_reversed_once_and_a_reversal_never(database: Database, scope: Scope) -> None:
    entry = await mutate(database, scope, post)
    reversal = await mutate(database, scope, lambda ctx: ledger.reverse(ctx, entry, "Void"))
    for refused, message in ((entry, "was reversed already"), (reversal, "reverses another")):
        with pytest.raises(ConflictError, match=message):
            await mutate(database, scope, lambda ctx, refused=refused: ledger.reverse(ctx, refused, "Void"))  # type: ignore[misc]


async def test_the_standing_entry_of_a_source_is_the_one_that_was_not_reversed(database: Database, scope: Scope) -> None:
    async def change_often(ctx: MutationContext) -> tables.LedgerEntry:
        """All within one millisecond, so that only reversals tell which entry came last."""
        entry = await post(ctx)
        for amount in range(1, 20):
            await ledger.reverse(ctx, await ledger.standing_entry(ctx.db, SOURCE), "Change")
            entry = await post(ctx, amount_minor=amount)
            assert await ledger.standing_entry(ctx.db, SOURCE) == entry
        return entry

    entry = await mutate(database, scope, change_often)
    await mutate(database, scope, lambda ctx: ledger.reverse(ctx, entry, "Deletion"))
    for source in (SOURCE, "sal_01J0000000000000000000000B"):
        with pytest.raises(NotFoundError):
            await mutate(database, scope, lambda ctx, source=source: ledger.standing_entry(ctx.db, source))  # type: ignore[misc]


async def test_the_standing_entry_is_found_however_often_a_source_was_changed(database: Database, scope: Scope) -> None:
    entry = await mutate(database, scope, post, MOMENT - timedelta(hours=1))
    for second in range(60):
        entry = await mutate(database, scope, change, MOMENT + timedelta(seconds=second))
    assert await mutate(database, scope, lambda ctx: ledger.standing_entry(ctx.db, SOURCE)) == entry


async def test_the_standing_entry_is_found_when_all_changes_bear_the_same_time(
    database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of one request do. Ids of one millisecond are in no order: here each comes before the last."""
    ids = (f"txn_01J{number:023}" for number in range(1000, 0, -1))
    monkeypatch.setattr(tables.LedgerEntry, "new_id", lambda: next(ids))
    monkeypatch.setattr(ledger, "_BATCH", 3)
    entry = await mutate(database, scope, post)
    for _ in range(20):
        entry = await mutate(database, scope, change)
        assert await mutate(database, scope, lambda ctx: ledger.standing_entry(ctx.db, SOURCE)) == entry


async def test_the_standing_entry_is_found_when_clocks_differ(database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 3)
    entry = await mutate(database, scope, post)
    for minutes in (0, -7, 3, -20, 15, -1, 8, -30, 2, -60):
        entry = await mutate(database, scope, change, MOMENT + timedelta(minutes=minutes))
        assert await mutate(database, scope, lambda ctx: ledger.standing_entry(ctx.db, SOURCE)) == entry
    await mutate(database, scope, lambda ctx: ledger.reverse(ctx, entry, "Deletion"), MOMENT - timedelta(hours=2))
    with pytest.raises(NotFoundError):
        await mutate(database, scope, lambda ctx: ledger.standing_entry(ctx.db, SOURCE))
