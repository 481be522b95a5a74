"""Carrying operations out, where the database gets in the way."""

from collections.abc import Mapping
from typing import Any

import pytest

from datastore.database import Database, Document, SnapshotLostError
from datastore.errors import UnavailableError
from tests.gql.api import Api, Person


@pytest.fixture
async def ada(api: Api) -> Person:
    return await api.sign_up()


def fail_reads_of_settings(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[str]:
    """Lets the first reads of the settings fail; returns the list in which each try is noted."""
    tried: list[str] = []
    read = Database.read

    async def read_or_fail(database: Database, command: Mapping[str, Any]) -> Document:
        if command.get("find") == "settings":
            tried.append("settings")
            if len(tried) <= times:
                raise error
        return await read(database, command)

    monkeypatch.setattr(Database, "read", read_or_fail)
    return tried


async def test_a_query_whose_snapshot_is_lost_is_run_again_on_a_fresh_one(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fail_reads_of_settings(monkeypatch, SnapshotLostError("too old"), times=3)  # the opening of a snapshot tries three times itself
    assert (await api.data("{ settings { currency } }", caller=ada))["settings"] == {"currency": "USD"}
    assert len(tried) == 4


async def test_a_snapshot_that_is_lost_again_and_again_is_unavailable(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_reads_of_settings(monkeypatch, SnapshotLostError("too old"), times=100)
    assert await api.code("{ settings { currency } }", caller=ada) == "UNAVAILABLE"


async def test_a_database_that_does_not_answer_is_unavailable_and_not_internal(
    api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = fail_reads_of_settings(monkeypatch, UnavailableError("gone"), times=100)
    assert await api.code("{ settings { currency } }", caller=ada) == "UNAVAILABLE"
    assert len(tried) == 1
