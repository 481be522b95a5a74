"""A shop, and a server that can be restarted, for the clients of npm."""

from collections.abc import AsyncIterator

import pytest

from resolvers.services import Services
from tests.clients.node_client import FOLDER
from tests.clients.served import Served
from tests.clients.shop import Shop
from tests.gql.api import Api


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if not (FOLDER / "node_modules" / "graphql-ws").is_dir():
        pytest.fail("The clients are not installed: run `make quick`, or `npm ci --ignore-scripts` in tests/clients.")


@pytest.fixture
async def shop(api: Api) -> Shop:
    return await Shop.open(api)


@pytest.fixture
async def served(shop: Shop, services: Services) -> AsyncIterator[Served]:
    """A server beside the one that `api` calls, on the same database."""
    del shop
    served = Served(services)
    await served.start()
    yield served
    await served.stop()
