"""How engines of this kind are known to fail, one test each: what others had to mend in 2026 is not to be found here.

Some of the list have their tests elsewhere: short interruptions and errors from which no stream resumes in
`tests/datastore/test_changes.py`, changes during a run in `tests/gql/test_live.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from datastore.versions import Version, from_wire
from gql.live import FIRST_RETRY_SECONDS
from tests.gql.api import Api, Person
from tests.live.disturbances import calm
from tests.live.shops import World
from tests.resolvers.shop import make_product

NAMES = "subscription { live { products(first: 5) { nodes { id name } } } }"
RENAME = "mutation ($id: ID!, $name: String!) { updateProduct(input: {id: $id, name: $name}) { id } }"

HISTORY_LOST = {"failCommands": ["getMore"], "errorCode": 286}
FROZEN = {"failCommands": ["getMore"], "blockConnection": True, "blockTimeMS": 2_000}

pytestmark = pytest.mark.faults


@pytest.fixture
async def ada(api: Api) -> Person:
    return await api.sign_up()


@pytest.fixture
async def apple(api: Api, ada: Person) -> str:
    id: str = (await make_product(api, ada, "Apple"))["id"]
    return id


@asynccontextmanager
async def failing_streams(world: World, how: dict[str, Any]) -> AsyncIterator[None]:
    """Lets every request of the stream fail in this way."""
    await world.driver.client.admin.command(
        {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": {"appName": "tillstream", **how}}
    )
    try:
        yield
    finally:
        await calm(world)


def names(result: dict[str, Any]) -> list[str]:
    return [node["name"] for node in result["data"]["live"]["products"]["nodes"]]


async def rename(world: World, id: str, name: str) -> None:
    """A write that the process under test does not know of."""
    await world.driver.products.update_one({"_id": id}, {"$set": {"name": name, "name_key": name.lower()}})


async def test_a_history_lost_again_and_again_on_a_quiet_collection_is_no_hot_loop_and_nothing_stays_stale(
    world: World, ada: Person, apple: str
) -> None:
    api = world.api
    async with api.watch(NAMES, caller=ada) as watching:
        began, opened = asyncio.get_running_loop().time(), api.engine.counters.streams_opened
        async with failing_streams(world, HISTORY_LOST):
            await rename(world, apple, "Pear")
            async with asyncio.timeout(10):
                while api.engine.counters.streams_opened < opened + 5:
                    await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began > FIRST_RETRY_SECONDS * (2 + 4 + 8)
        await watching.until(lambda: names(watching.last) == ["Pear"])
        await api.settle()
        assert [names(result) for result in watching.results] == [["Apple"], ["Pear"]]


async def test_an_event_too_large_for_any_answer_is_passed_over_once_and_what_it_changed_is_shown(world: World, ada: Person) -> None:
    api = world.api
    row = await make_product(api, ada, "Apple")
    async with api.watch(NAMES, caller=ada) as watching:
        opened = api.engine.counters.streams_opened
        for letter, name in (("a", "Pear"), ("b", "Quince")):
            # The event holds what was set and the row: 9 MB twice.
            values = {"description": letter * 9_000_000, "name": name, "name_key": name.lower()}
            await world.driver.products.update_one({"_id": row["id"]}, {"$set": values})
        await watching.until(lambda: names(watching.last) == ["Quince"])
        await api.settle()
        assert 1 <= api.engine.counters.streams_opened - opened <= 3
        await rename(world, row["id"], "Apple again")
        await watching.until(lambda: names(watching.last) == ["Apple again"])


async def test_what_is_written_before_and_after_the_moment_of_opening_is_not_missed(
    world: World, ada: Person, apple: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = world.api.engine
    open_stream, written = engine._stream.open, 0

    async def open_amid_writes() -> Version:
        nonlocal written
        await rename(world, apple, "Before")
        start = await open_stream()
        await rename(world, apple, "After")
        written += 1
        return start

    monkeypatch.setattr(engine._stream, "open", open_amid_writes)
    async with world.api.watch(NAMES, caller=ada) as watching:
        await engine._stream.close()
        await watching.until(lambda: written > 0 and names(watching.last) == ["After"])
        await world.api.settle()
        assert names(watching.last) == ["After"]


async def test_an_event_older_than_the_snapshot_is_not_replayed_onto_it(world: World, ada: Person, apple: str) -> None:
    api = world.api
    async with failing_streams(world, FROZEN):
        await api.settle()  # The request that was under way is answered; the next one is frozen.
        await rename(world, apple, "Pear")
        async with api.watch(NAMES, caller=ada) as watching:
            assert names(watching.last) == ["Pear"]
            assert api.engine._stream.position < watching.versions[0]
            before = replace(api.engine.counters)
            await calm(world)
            await api.settle()
            assert api.engine.counters.wakes == before.wakes
            assert api.engine.counters.runs == before.runs
            assert len(watching.results) == 1


async def test_a_first_result_waits_for_the_writes_own_time_and_not_for_the_stream_to_reach_now(
    world: World, ada: Person, apple: str
) -> None:
    api = world.api
    async with api.watch(NAMES, caller=ada), failing_streams(world, FROZEN):
        await api.settle()
        answer = await api.execute(RENAME, {"id": apple, "name": "Pear"}, caller=ada)
        version = from_wire(answer["extensions"]["version"])
        async with api.watch(NAMES, caller=ada) as late:
            assert names(late.results[0]) == ["Pear"]
            assert version is not None
            assert late.versions[0] >= version
            assert api.engine._stream.position < version


async def test_a_row_with_an_id_that_is_no_text_is_an_event_like_any_other(world: World, ada: Person, apple: str) -> None:
    """A writer that goes around the validators can store such a row; whoever watches goes on watching."""
    api = world.api
    async with api.watch(NAMES, caller=ada) as watching:
        for id in ({"a": 1}, 7, None):
            await world.driver.command({"insert": "products", "documents": [{"_id": id}], "bypassDocumentValidation": True})
        await rename(world, apple, "Pear")
        await watching.until(lambda: names(watching.last) == ["Pear"])
        await api.settle()
        assert api.engine.ready
