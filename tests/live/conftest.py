from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from datastore.settings import Settings
from tests.gql.api import Api
from tests.live.shops import World


@pytest.fixture
async def driver(settings: Settings) -> AsyncIterator[Any]:
    """The database as somebody with a shell sees it: no code of ours between."""
    async with AsyncMongoClient[dict[str, Any]](settings.mongodb_uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]


@pytest.fixture
def world(api: Api, driver: Any) -> World:
    """The model of a soak, still without shops."""
    return World(api, driver)
