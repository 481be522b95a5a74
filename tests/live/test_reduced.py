"""What the soak found, reduced to what makes it happen every time."""

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from gql.live_contracts import Outcome
from gql.wire import Caller, GraphQLParams
from tests.gql.api import Api
from tests.live.shops import World
from tests.resolvers.shop import make_product

NAMES = "subscription { live { products(first: 5) { nodes { id name } } } }"
RENAME = 'mutation ($id: ID!) { updateProduct(input: {id: $id, name: "Renamed"}) { id } }'


async def test_a_socket_whose_session_has_ended_cannot_begin_to_watch(api: Api) -> None:
    ada = await api.sign_up()
    scope = await api.scope_of(ada)
    await api.data("mutation { signOut }", caller=ada)
    await api.settle()

    params = GraphQLParams(NAMES)
    payloads = api.service.subscribe(api.service.prepare(params), params, Caller(scope, "test"))
    results: list[Any] = [orjson.loads(payload.body) async for payload in payloads]

    [result] = results
    assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert api.engine.distinct_operations == 0


async def test_who_comes_during_a_run_is_not_given_a_result_older_than_what_was_acknowledged_before(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await api.sign_up()
    product = await make_product(api, ada, "Apple")
    execute, read, released = api.service.execute_live, asyncio.Event(), asyncio.Event()

    async def execute_and_wait(*arguments: Any) -> Outcome:
        outcome = await execute(*arguments)
        read.set()
        await released.wait()
        return outcome

    monkeypatch.setattr(api.engine, "_execute", execute_and_wait)

    async def first_result() -> list[str]:
        async with api.watch(NAMES, caller=ada) as watching:
            return [node["name"] for node in watching.results[0]["data"]["live"]["products"]["nodes"]]

    early = asyncio.create_task(first_result())
    await read.wait()
    await api.data(RENAME, {"id": product["id"]}, caller=ada)
    late = asyncio.create_task(first_result())
    async with asyncio.timeout(5):
        while api.engine.subscribers < 2:
            await asyncio.sleep(0.001)
    released.set()

    assert await late == ["Renamed"]
    assert await early in (["Apple"], ["Renamed"])


async def test_a_second_operation_of_an_ended_session_is_ended_too_while_the_first_has_not_left(api: Api) -> None:
    """A client that does not read holds its first operation, which was ended, at its last frame."""
    ada = await api.sign_up()
    scope = await api.scope_of(ada)
    params = GraphQLParams(NAMES)

    def subscribe() -> Any:
        return api.service.subscribe(api.service.prepare(params), params, Caller(scope, "test"))

    async with aclosing(subscribe()) as first, asyncio.timeout(5):
        await anext(first)
        await api.data("mutation { signOut }", caller=ada)
        await api.settle()
        while len(api.engine._sessions):  # until the first was ended
            await asyncio.sleep(0.005)
        [result] = [orjson.loads(payload.body) async for payload in subscribe()]
    assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_row_that_changes_its_owner_is_gone_from_who_watches_it_by_its_id(world: World) -> None:
    """Only somebody with a shell does that, and still nobody may go on seeing what is another's."""
    ada, bob = await world.api.sign_up(), await world.api.sign_up()
    product = await make_product(world.api, ada, "Apple")
    document = "subscription ($id: ID!) { live { product(id: $id) { name } } }"
    async with world.api.watch(document, {"id": product["id"]}, caller=ada) as watching:
        await world.driver.products.update_one({"_id": product["id"]}, {"$set": {"account_id": bob.account_id}})
        await watching.until(lambda: len(watching.results) > 1)
        await world.api.settle()
        assert [result["data"]["live"]["product"] for result in watching.results] == [{"name": "Apple"}, None]
