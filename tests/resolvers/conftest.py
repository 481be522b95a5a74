from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from datastore.database import Database
from datastore.schema import TABLES
from tests.gql.api import Api, Person

Unchanged = Callable[[], AbstractAsyncContextManager[None]]


async def contents(database: Database) -> dict[str, list[Any]]:
    """Every stored document."""
    found = {}
    for table in TABLES:
        reply = await database.command({"find": table.spec.name, "sort": {"_id": 1}, "batchSize": 10_000})
        found[table.spec.name] = list(reply["cursor"]["firstBatch"])
    return found


@pytest.fixture
def nothing_written(database: Database) -> Unchanged:
    """A context in which the database must stay as it is, to the last document."""

    @asynccontextmanager
    async def unchanged() -> Any:
        before = await contents(database)
        yield
        assert await contents(database) == before

    return unchanged


@pytest.fixture
async def owner(api: Api) -> Person:
    """Somebody with a business."""
    return await api.sign_up(name="Ada Lovelace")


@pytest.fixture
async def stranger(api: Api) -> Person:
    """Somebody with another business."""
    return await api.sign_up(name="Mallory")
