from datetime import UTC, datetime
from typing import Any

import pytest

from datastore.database import Database
from resolvers.summary_plans import next_morning
from tests.gql.api import Api, Person

UPDATE = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "time_zone", "expected"),
    [
        ("2026-11-24T05:59", "Europe/Berlin", "2026-11-24T06:00"),
        ("2026-11-24T06:00", "Europe/Berlin", "2026-11-25T06:00"),
        ("2026-11-24T22:30", "Europe/Berlin", "2026-11-25T06:00"),
        ("2026-11-24T23:30", "Asia/Tokyo", "2026-11-25T22:00"),
        ("2026-03-28T12:00", "Europe/Berlin", "2026-03-29T05:00"),
        ("2026-11-24T12:00", "Pacific/Kiritimati", "2026-11-24T17:00"),
        ("2026-11-24T12:00", "Pacific/Pago_Pago", "2026-11-24T18:00"),
    ],
)
def test_the_next_morning_is_that_of_the_time_zone(now: str, time_zone: str, expected: str) -> None:
    assert next_morning(at(now), time_zone) == at(expected)


async def planned(database: Database) -> list[Any]:
    reply = await database.command({"find": "summary_mails"})
    return [document["due_at"] for document in reply["cursor"]["firstBatch"]]


async def test_what_is_due_next_follows_the_settings(api: Api, owner: Person, database: Database) -> None:
    async def change(**values: object) -> list[Any]:
        await api.data(UPDATE, {"input": values}, caller=owner)
        return await planned(database)

    assert await change(businessName="Engines") == []
    assert await change(dailySummaryEmail=False, timeZone="Asia/Tokyo") == []
    assert await change(dailySummaryEmail=True) == [next_morning(api.services.clock(), "Asia/Tokyo")]
    assert await change(timeZone="Europe/Berlin") == [next_morning(api.services.clock(), "Europe/Berlin")]
    before = await planned(database)
    assert await change(businessName="Looms") == before
    assert await change(dailySummaryEmail=False) == [None]
