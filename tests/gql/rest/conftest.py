from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gql.api import Api, Person
from tests.resolvers.key_ring import program


@pytest.fixture
async def owner(api: Api) -> Person:
    """Somebody with a business."""
    return await api.sign_up(name="Ada Lovelace")


@pytest.fixture
async def stranger(api: Api) -> Person:
    """Somebody with another business."""
    return await api.sign_up(name="Mallory")


@pytest.fixture
async def client(api: Api, owner: Person, live_server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A program of the owner's whose key has every scope."""
    async with program(api, live_server, owner) as client:
        yield client
