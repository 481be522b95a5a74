"""A soak that finds nothing proves nothing unless it finds what is there: each planted bug must break a promise within the budget."""

from collections.abc import AsyncIterator

import pytest

from datastore.database import Database
from gql.app import open_service
from resolvers.services import Services
from tests.gql.api import Api
from tests.live.planted_bugs import PLANTED_BUGS, Plant
from tests.live.promises import BrokenPromiseError
from tests.live.shops import World
from tests.live.soak import run_soak

BUDGET_SECONDS = 40
SEED = 1


@pytest.fixture(params=PLANTED_BUGS, ids=lambda plant: plant.__name__)
async def ill_world(
    request: pytest.FixtureRequest, database: Database, services: Services, driver: object, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A world in which one bug is planted."""
    plant: Plant = request.param
    plant(monkeypatch)
    async with open_service(services) as service:
        yield World(Api(service, services), driver)


@pytest.mark.soak
@pytest.mark.slow
async def test_the_soak_finds_the_planted_bug(ill_world: World) -> None:
    with pytest.raises(BrokenPromiseError):
        await run_soak(ill_world, SEED, BUDGET_SECONDS)
