"""The books of a shop always add up: whatever mutations come in whatever order, `verify` finds nothing, and live results are true."""

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from random import Random
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from datastore.database import Database
from resolvers.verify import verify
from tests.gql.api import Api
from tests.live.books import STEPS, Books, Step, create_product, some_step

LIMIT_SECONDS = 60
EXAMPLES = 12
STEPS_OF_AN_EXAMPLE = 40
AT_ONCE = 6

EVERYTHING = """
{
  dashboard(preset: THIS_YEAR) {
    revenue refunds tax expenses profit salesCount averageSale inventoryValue
    series(by: MONTH) { revenue profit }
    topProducts(first: 3) { product { name } quantity revenue }
    expensesByCategory { category { name } amount } salesByPaymentMethod { paymentMethod amount } salesByHour { hour amount }
  }
  balance(asOf: null)
  expenseCategories(first: 20) { nodes { name spentThisMonth expenseCount } }
  sales(first: 5) { nodes { number status paymentStatus total refunded payments { status } items { name quantity refundedQuantity } } }
  transactions(first: 5) { nodes { kind amount reversedBy { id } } }
}
"""


class BooksMachine(RuleBasedStateMachine):
    """Steps one after the other and several at once; each example is a business of its own."""

    def __init__(self, api: Api, database: Database, done: dict[str, int], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._api, self._database, self._loop, self._done = api, database, loop, done
        self.books: Books

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Carries out a step on the servers' loop."""
        running: concurrent.futures.Future[Any] = asyncio.run_coroutine_threadsafe(step, self._loop)
        return running.result(LIMIT_SECONDS)

    @initialize(seed=st.integers(0, 2**16))
    def open_a_shop(self, seed: int) -> None:
        self.books = Books(self._api, self.do(self._api.sign_up()), done=self._done)
        for number in range(3):
            self.do(self.books.do(create_product, Random(seed + number)))

    @rule(step=st.sampled_from([step for step, weight in STEPS.items() for _ in range(weight)]), seed=st.integers(0, 2**16))
    def one(self, step: Step, seed: int) -> None:
        self.do(self.books.do(step, Random(seed)))

    @rule(seed=st.integers(0, 2**16))
    def several_at_once(self, seed: int) -> None:
        self.do(self._at_once(Random(seed)))

    async def _at_once(self, random: Random) -> None:
        chosen = [(some_step(random), Random(random.getrandbits(32))) for _ in range(AT_ONCE)]
        await asyncio.gather(*(self.books.do(step, own) for step, own in chosen))

    def teardown(self) -> None:
        findings = self.do(verify(self._database)).findings
        assert findings == (), findings


@pytest.mark.soak
@pytest.mark.slow
async def test_the_books_add_up_whatever_is_done_in_whatever_order(api: Api, database: Database) -> None:
    loop, done = asyncio.get_running_loop(), dict[str, int]()
    # The same examples every time: what fails in CI fails at home.
    budget = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_OF_AN_EXAMPLE,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    # Any callable that makes a machine will do; its annotation asks for a class.
    machine = cast("type[RuleBasedStateMachine]", lambda: BooksMachine(api, database, done, loop))
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=budget)
    assert done.keys() == {step.__name__ for step in STEPS}, "a step was always refused, so that nothing was tested by it"


@pytest.mark.slow
async def test_every_live_result_of_a_busy_shop_equals_a_fresh_query(api: Api, database: Database) -> None:
    books = Books(api, await api.sign_up())
    random = Random(4)
    await books.do(create_product, random)
    async with api.watch(f"subscription {{ live {EVERYTHING} }}", caller=books.owner) as watching:
        for _ in range(60):
            await asyncio.gather(*(books.do(some_step(random), Random(random.getrandbits(32))) for _ in range(3)))
        await api.settle()
        fresh = await api.data(EVERYTHING, caller=books.owner)
        await watching.until(lambda: watching.last["data"]["live"] == fresh)
        assert watching.versions == sorted(set(watching.versions))
    assert (await verify(database)).findings == ()
