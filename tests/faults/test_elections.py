"""A replica set whose primary goes away in every way there is, with live operations on it and writers that don't stop."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pymongo import WriteConcern
from pymongo.read_concern import ReadConcern

from datastore.settings import Settings
from tests.faults.crowd import Crowd, Served, serving
from tests.faults.replica_set import ReplicaSet
from tests.network import CLIENTS

DATABASE = "elections"
LIVE_OPERATIONS = 200
NEVER_COMMITTED = "Never committed"

pytestmark = [pytest.mark.faults, pytest.mark.slow]

Fault = Callable[[ReplicaSet, Crowd], Awaitable[None]]


@pytest.fixture
async def served(replica_set: ReplicaSet, origin: Settings) -> AsyncIterator[Served]:
    """The application on the three nodes."""
    async with serving(origin.model_copy(update={"mongodb_uri": replica_set.uri, "mongodb_database": DATABASE})) as served:
        yield served


@pytest.fixture
async def crowd(served: Served) -> Crowd:
    """Five businesses."""
    crowd = Crowd(served.api)
    await crowd.open_businesses(5)
    return crowd


async def killed_and_restarted(replica_set: ReplicaSet, crowd: Crowd) -> None:
    leader = await replica_set.primary()
    await leader.kill()
    await go_on_without(replica_set, crowd)
    await leader.start()


async def stepped_down(replica_set: ReplicaSet, crowd: Crowd) -> None:
    await replica_set.step_down()


async def frozen_and_thawed(replica_set: ReplicaSet, crowd: Crowd) -> None:
    leader = await replica_set.primary()
    leader.freeze()
    await go_on_without(replica_set, crowd)
    leader.thaw()


async def cut_off_without_a_word(replica_set: ReplicaSet, crowd: Crowd) -> None:
    leader = await replica_set.primary()
    replica_set.part(leader, replica_set.network.silence, from_clients=True)
    await go_on_without(replica_set, crowd)
    replica_set.network.restore()


async def slowed_down(replica_set: ReplicaSet, crowd: Crowd) -> None:
    leader = await replica_set.primary()
    replica_set.part(leader, lambda source, target: replica_set.network.slow(source, target, 0.03), from_clients=True)
    await crowd.more_writes(10)
    replica_set.network.restore()


async def go_on_without(replica_set: ReplicaSet, crowd: Crowd) -> None:
    """Writers write and watchers see it while the former leader is still away."""
    await crowd.more_writes()
    await crowd.newer_results()


@pytest.mark.parametrize("fault", [killed_and_restarted, stepped_down, frozen_and_thawed, cut_off_without_a_word, slowed_down])
async def test_after_an_election_every_live_result_is_right_and_every_write_has_happened_once(
    replica_set: ReplicaSet, served: Served, crowd: Crowd, fault: Fault
) -> None:
    async with crowd.watching(LIVE_OPERATIONS):
        async with crowd.writing():
            await crowd.more_writes()
            await fault(replica_set, crowd)
            await crowd.more_writes()
        await crowd.check()
        await served.until_ready()


async def test_a_write_that_will_be_rolled_back_is_never_shown(replica_set: ReplicaSet, served: Served, crowd: Crowd) -> None:
    product = next(iter(crowd.businesses[0].stocks))
    leader = await replica_set.primary()
    async with crowd.watching(LIVE_OPERATIONS), leader.driver() as direct:
        products = direct[DATABASE].get_collection("products", read_concern=ReadConcern("local"), write_concern=WriteConcern(w=1))
        replica_set.part(leader, replica_set.network.refuse, from_clients=False)
        await products.update_one({"_id": product}, {"$set": {"name": NEVER_COMMITTED, "name_key": "never committed"}})
        assert (await products.find_one({"_id": product}) or {})["name"] == NEVER_COMMITTED, "a local read would not have shown it"
        # Whatever is opened and run now begins at a server whose newest write will never have been.
        await served.api.engine._stream.close()
        await replica_set.elected_besides(leader)
        async with crowd.writing():
            await crowd.more_writes()
            await crowd.newer_results()
            replica_set.network.restore()
            await crowd.more_writes()
        await crowd.check()
        await replica_set.healthy()
        assert (await products.find_one({"_id": product}) or {})["name"] != NEVER_COMMITTED, "it was not rolled back"
        for view in crowd.views:
            assert all(NEVER_COMMITTED not in str(result) for result in view.watching.results)


async def test_a_process_that_is_left_with_a_minority_says_that_it_may_be_stale(
    replica_set: ReplicaSet, served: Served, crowd: Crowd
) -> None:
    leader = await replica_set.primary()
    async with crowd.watching(20):
        replica_set.part(leader, replica_set.network.refuse, from_clients=False)
        for node in replica_set.nodes:
            if node is not leader:
                replica_set.network.refuse(CLIENTS, node.name)
        elected = await replica_set.elected_besides(leader)
        business = crowd.businesses[0]
        async with elected.driver(10) as direct:
            changed = await direct[DATABASE].products.update_many({"account_id": business.owner.account_id}, {"$inc": {"stock": 1}})
        assert changed.matched_count == len(business.stocks)
        business.stocks.update(dict.fromkeys(business.stocks, 1))
        await crowd.all_told_that_stale()
        await served.until_ready(False)
        replica_set.network.restore()
        await crowd.check()
        await served.until_ready()


async def test_a_set_without_a_majority_refuses_writes_and_goes_on_when_it_has_one(
    replica_set: ReplicaSet, served: Served, crowd: Crowd
) -> None:
    leader = await replica_set.primary()
    async with crowd.watching(20):
        async with crowd.writing():
            await crowd.more_writes()
            for node in replica_set.nodes:
                if node is not leader:
                    node.freeze()
            await crowd.all_told_that_stale()
            await served.until_ready(False)
            for node in replica_set.nodes:
                node.thaw()
            await crowd.more_writes()
        assert crowd.refusals
        await crowd.check()
        await served.until_ready()
