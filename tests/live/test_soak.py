"""The soak for some seconds; `make soak` runs it for as long as you like."""

import pytest

from tests.live.shops import World
from tests.live.soak import run_soak

SECONDS = 8


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_promise_holds_under_random_load_and_disturbances(world: World, seed: int) -> None:
    report = await run_soak(world, seed, SECONDS)
    assert report.results > report.watchers
    assert report.needless_runs < report.runs
