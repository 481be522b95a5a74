"""A ledger of any length, stored past the functions of the business."""

from datetime import UTC, datetime, timedelta
from typing import Any

from datastore.database import Database
from datastore.schema import LedgerEntry
from tests.datastore.samples import stored
from tests.gql.api import Person

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def entry(owner: Person, number: int, **columns: Any) -> LedgerEntry:
    """An entry of somebody's ledger, an hour after the one before it."""
    at = BEGIN + timedelta(hours=number)
    plain: dict[str, Any] = {
        "id": LedgerEntry.new_id(),
        "created_at": at,
        "updated_at": at,
        "account_id": owner.account_id,
        "kind": "MANUAL" if number % 2 else "SALE",
        "currency": "EUR",
        "amount_minor": number - 5,
        "description": f"Entry {number}",
        "occurred_at": at,
        "occurred_on": at.date().isoformat(),
        "source_id": None,
        "reverses_id": None,
        "recorded_by_id": owner.user_id,
    }
    return LedgerEntry(**plain | columns)


async def keep_ledger(database: Database, owner: Person, count: int) -> list[LedgerEntry]:
    """So many entries, in order."""
    rows = [entry(owner, number) for number in range(count)]
    for first in range(0, count, 2000):
        await stored(database, *rows[first : first + 2000])
    return rows
