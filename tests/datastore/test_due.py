from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from datastore.database import Database
from datastore.due import BATCH, DueBooking, DueSummary, due_bookings, due_summaries
from datastore.schema import RecurringExpense, SummaryMail
from datastore.scope import Scope, grant
from tests.datastore.samples import MOMENT, stored


def recurring(scope: Scope, next_on: str | None, **columns: Any) -> RecurringExpense:
    """A recurring expense of the scope's account."""
    plain: dict[str, Any] = {
        "id": RecurringExpense.new_id(),
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "account_id": scope.account_id,
        "currency": "EUR",
        "amount_minor": 100,
        "tax_minor": 0,
        "vendor": "",
        "category_id": None,
        "note": "",
        "interval": "MONTHLY",
        "starts_on": "2026-01-31",
        "ends_on": None,
        "recorded_by_id": scope.user_id,
    }
    return RecurringExpense(**plain | columns, next_on=next_on)


def account(number: int) -> Scope:
    """The scope of one of many accounts, in the order of their numbers."""
    return grant(f"acc_{number:05}", f"usr_{number:05}", "OWNER")


async def due(database: Database, last_day: str) -> list[DueBooking]:
    return [one async for one in due_bookings(database, last_day)]


async def test_what_is_due_is_told_of_every_account_and_nothing_else(database: Database) -> None:
    one, other = account(1), account(2)
    rows = {
        day: recurring(scope, day)
        for scope, day in ((one, "2026-11-23"), (one, "2026-11-24"), (one, "2026-11-25"), (other, "2000-01-01"), (other, None))
    }
    await stored(database, *rows.values())
    assert await due(database, "2026-11-24") == [
        DueBooking("acc_00001", "usr_00001", rows["2026-11-23"].id, "2026-11-23"),
        DueBooking("acc_00001", "usr_00001", rows["2026-11-24"].id, "2026-11-24"),
        DueBooking("acc_00002", "usr_00002", rows["2000-01-01"].id, "2000-01-01"),
    ]
    assert await due(database, "1999-12-31") == []


async def test_more_than_one_answer_of_the_server_holds_is_told_of(database: Database) -> None:
    rows = [recurring(account(number), "2026-11-24") for number in range(BATCH * 2 + 1)]
    await stored(database, *rows)
    assert {one.recurring_id for one in await due(database, "2026-11-24")} == {row.id for row in rows}


async def test_the_cost_is_that_of_accounts_and_of_what_is_due_not_of_all_that_recurs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [account(number) for number in range(20)]
    await stored(database, *(recurring(scope, "2027-01-01") for scope in accounts for _ in range(100)))
    await stored(database, *(recurring(scope, "2026-11-24") for scope in accounts[:5]))
    read, sent = database.read, list[Any]()

    async def note(command: Mapping[str, Any]) -> dict[str, Any]:
        sent.append(dict(command))
        return await read(command)

    monkeypatch.setattr(database, "read", note)
    assert len(await due(database, "2026-11-24")) == 5
    explained = await database.command({"explain": sent.pop(), "verbosity": "executionStats"})
    stats = explained["executionStats"]
    assert (stats["nReturned"], stats["totalDocsExamined"]) == (5, 5)
    assert stats["totalKeysExamined"] <= 3 * len(accounts)


def summary(scope: Scope, due_at: datetime | None) -> SummaryMail:
    """When the scope's business is to be told of its day."""
    return SummaryMail(
        id=SummaryMail.new_id(),
        created_at=MOMENT,
        updated_at=MOMENT,
        account_id=scope.account_id,
        due_at=due_at,
        last_on=None,
        user_id=scope.user_id,
    )


async def test_the_daily_summaries_that_are_due_are_told_of_and_no_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [MOMENT, MOMENT - timedelta(days=1), MOMENT + timedelta(milliseconds=1), None]
    await stored(database, *(summary(account(number), moment) for number, moment in enumerate(moments)))
    read, sent = database.read, list[Any]()

    async def note(command: Mapping[str, Any]) -> dict[str, Any]:
        sent.append(dict(command))
        return await read(command)

    monkeypatch.setattr(database, "read", note)
    told = [each async for each in due_summaries(database, MOMENT)]
    assert told == [DueSummary("acc_00000", "usr_00000"), DueSummary("acc_00001", "usr_00001")]
    explained = await database.command({"explain": sent.pop(), "verbosity": "executionStats"})
    assert explained["executionStats"]["totalDocsExamined"] == 2
