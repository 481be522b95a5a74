"""The soak's steps in an order that Hypothesis chooses, and shortens where a promise breaks.

Hypothesis is not asynchronous: the machine runs in a thread, and each rule carries out its step on the loop of the servers.
"""

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from random import Random
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.live.shops import World
from tests.live.soak import Soak

LIMIT_SECONDS = 60
EXAMPLES = 8
STEPS = 20

# A source for each step, not st.randoms(): how much a step draws depends on what it finds, and Hypothesis must not be surprised by that.
randoms = st.integers(0, 2**16).map(Random)


class SoakMachine(RuleBasedStateMachine):
    """Random steps of the soak on one world; each example has shops of its own."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.soak = Soak(world)
        self.disturbed = False

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """Carries out a step on the servers' loop, and waits for its end."""
        running: concurrent.futures.Future[None] = asyncio.run_coroutine_threadsafe(step, self._loop)
        running.result(LIMIT_SECONDS)

    @initialize(random=randoms)
    def open_a_shop(self, random: Random) -> None:
        self.soak.world.shops.clear()
        self.do(self.soak.world.open_shops(random, count=2, products=4))
        self.do(self.soak.audience.watch(random))

    @rule(random=randoms)
    def watch(self, random: Random) -> None:
        self.do(self.soak.audience.watch(random))

    @rule(random=randoms)
    def watch_again(self, random: Random) -> None:
        self.do(self.soak.audience.watch_again(random))

    @rule(random=randoms)
    def leave(self, random: Random) -> None:
        self.do(self.soak.audience.leave(random))

    @rule(random=randoms, count=st.integers(1, 4))
    def write(self, random: Random, count: int) -> None:
        self.do(self.soak.write(random, count))

    @rule(random=randoms)
    def come_late(self, random: Random) -> None:
        self.do(self.soak.audience.come_late(random))

    @rule(random=randoms)
    def burst(self, random: Random) -> None:
        self.do(self.soak.burst(random))

    @precondition(lambda self: not self.disturbed)
    @rule(random=randoms)
    def attack(self, random: Random) -> None:
        self.do(self.soak.attack(random))

    @precondition(lambda self: not self.disturbed)
    @rule(random=randoms)
    def disturb(self, random: Random) -> None:
        self.disturbed = True
        self.do(self.soak.disturb(random))

    @rule(random=randoms)
    def sign_out(self, random: Random) -> None:
        self.do(self.soak.sign_out(random))

    @rule()
    def pause(self) -> None:
        self.do(self.soak.pause())
        self.disturbed = False

    def teardown(self) -> None:
        try:
            self.do(self.soak.pause())
        finally:
            self.do(self.soak.audience.close())


async def explore(world: World, examples: int) -> None:
    """Runs the machine in a thread until it has tried so many examples."""
    loop = asyncio.get_running_loop()
    # The same examples every time: what fails in CI fails at home.
    budget = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    # Any callable that makes a machine will do; its annotation asks for a class.
    machine = cast("type[RuleBasedStateMachine]", lambda: SoakMachine(world, loop))
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=budget)


@pytest.mark.soak
@pytest.mark.slow
async def test_every_promise_holds_in_whatever_order_things_happen(world: World) -> None:
    await explore(world, EXAMPLES)
    assert world.writes > EXAMPLES
