"""Live operations against a real MongoDB, through the service that the transports use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from datastore.errors import UnavailableError
from datastore.settings import Settings
from gql.live_contracts import Outcome
from tests.commands import Commands
from tests.gql.api import Api, Person

CREATE = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id name } }"
CREATE_CATEGORY = "mutation ($name: String!) { createProductCategory(input: {name: $name}) { id } }"
UPDATE = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"
ADJUST = 'mutation ($id: ID!, $delta: Quantity!) { adjustStock(input: {productId: $id, delta: $delta, reason: "count"}) { id stock } }'
NAMES = "subscription ($first: Int!) { live { products(first: $first) { nodes { id name } } } }"
STOCKS = "subscription { live { products(first: 5) { nodes { id name stock category { name } } } } }"


@pytest.fixture
async def ada(api: Api) -> Person:
    return await api.sign_up()


@pytest.fixture
async def driver(settings: Settings) -> AsyncIterator[Any]:
    """The database as somebody with a shell sees it: no code of ours between."""
    async with AsyncMongoClient[dict[str, Any]](settings.mongodb_uri) as client:
        yield client[settings.mongodb_database]


async def create(api: Api, caller: Person, **input: Any) -> str:
    data = await api.data(CREATE, {"input": {"price": "1.00", **input}}, caller=caller)
    id: str = data["createProduct"]["id"]
    return id


def names(result: dict[str, Any]) -> list[str]:
    return [node["name"] for node in result["data"]["live"]["products"]["nodes"]]


async def test_a_write_through_the_api_through_a_bare_driver_and_in_a_transaction_each_gives_exactly_the_new_result(
    api: Api, ada: Person, driver: Any
) -> None:
    apple, pear = await create(api, ada, name="Apple"), await create(api, ada, name="Pear")
    async with api.watch(NAMES, {"first": 10}, caller=ada) as watching:
        assert names(watching.last) == ["Apple", "Pear"]

        await api.data(UPDATE, {"input": {"id": apple, "name": "Zucchini"}}, caller=ada)
        await watching.count(2)
        assert names(watching.last) == ["Pear", "Zucchini"]

        await driver.products.update_one({"_id": pear}, {"$set": {"name": "Bean", "name_key": "bean"}})
        await watching.count(3)
        assert names(watching.last) == ["Bean", "Zucchini"]

        async with driver.client.start_session() as session, await session.start_transaction():
            await driver.products.update_one({"_id": apple}, {"$set": {"name": "One", "name_key": "one"}}, session=session)
            await driver.products.update_one({"_id": pear}, {"$set": {"name": "Two", "name_key": "two"}}, session=session)
        await watching.count(4)
        assert names(watching.last) == ["One", "Two"]

        await api.settle()
        assert len(watching.results) == 4
        assert watching.versions == sorted(set(watching.versions))


async def test_a_transaction_is_never_seen_in_part(api: Api, ada: Person, driver: Any) -> None:
    ids = [await create(api, ada, name=f"Product {number}", stock=100) for number in range(4)]
    async with api.watch(STOCKS, caller=ada) as watching:
        for turn in range(25):
            giver, taker = ids[turn % 4], ids[(turn + 1) % 4]
            async with driver.client.start_session() as session, await session.start_transaction():
                await driver.products.update_one({"_id": giver}, {"$inc": {"stock": -1}}, session=session)
                await driver.products.update_one({"_id": taker}, {"$inc": {"stock": 1}}, session=session)
        await api.settle()
        assert len(watching.results) > 1
        for result in watching.results:
            assert sum(node["stock"] for node in result["data"]["live"]["products"]["nodes"]) == 400


async def test_fifty_equal_operations_share_one_execution_a_change(api: Api, ada: Person) -> None:
    apple = await create(api, ada, name="Apple")
    async with AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(api.watch(STOCKS, caller=ada)) for _ in range(50)]
        assert api.engine.distinct_operations == 1
        before = api.engine.counters.runs
        for delta in (1, 2, 3):
            await api.data(ADJUST, {"id": apple, "delta": delta}, caller=ada)
            await api.settle()
        assert api.engine.counters.runs == before + 3
        for watching in watchers:
            await watching.count(4)
            assert [result["data"]["live"]["products"]["nodes"][0]["stock"] for result in watching.results] == [0, 1, 3, 6]


async def test_operations_of_people_with_different_rights_are_never_shared(api: Api, ada: Person) -> None:
    bob = await api.sign_up()
    await create(api, ada, name="Ada's")
    await create(api, bob, name="Bob's")
    async with api.watch(STOCKS, caller=ada) as hers, api.watch(STOCKS, caller=bob) as his:
        assert api.engine.distinct_operations == 2
        assert names(hers.last) == ["Ada's"]
        assert names(his.last) == ["Bob's"]


async def test_a_change_outside_the_read_set_causes_no_read_at_all(api: Api, ada: Person, commands: Commands, driver: Any) -> None:
    bob = await api.sign_up()
    fruit = (await api.data(CREATE_CATEGORY, {"name": "Fruit"}, caller=ada))["createProductCategory"]["id"]
    tools = (await api.data(CREATE_CATEGORY, {"name": "Tools"}, caller=ada))["createProductCategory"]["id"]
    for name in ("Apple", "Banana", "Cherry", "Quince"):
        await create(api, ada, name=name, categoryId=fruit)
    hammer = await create(api, ada, name="Hammer", categoryId=tools)
    foreign = await create(api, bob, name="Apple")
    quince = (await driver.products.find_one({"name": "Quince"}))["_id"]
    document = "subscription ($c: ID!) { live { products(first: 2, categoryId: $c) { nodes { name stock } pageInfo { hasNextPage } } } }"
    async with api.watch(document, {"c": fruit}, caller=ada) as watching:
        await api.settle()
        before, runs = commands.reads, api.engine.counters.runs
        for id in (foreign, hammer, quince):
            await driver.products.update_one({"_id": id}, {"$inc": {"stock": 1}})
            await driver.products.update_one({"_id": id}, {"$set": {"name": "Zz", "name_key": "zz"}})
        await api.settle()
        own_finds = 1  # the look-up of Quince above was before `before`; settle writes, and reads nothing
        assert commands.reads - before < own_finds
        assert api.engine.counters.runs == runs
        await driver.products.update_one({"name": "Banana"}, {"$inc": {"stock": 1}})
        await watching.count(2)
        assert watching.last["data"]["live"]["products"]["nodes"][1] == {"name": "Banana", "stock": 1}


async def test_a_row_asked_for_and_not_found_is_waited_for(api: Api, ada: Person, driver: Any) -> None:
    apple = await create(api, ada, name="Apple")
    stored = await driver.products.find_one({"_id": apple})
    await driver.products.delete_one({"_id": apple})
    async with api.watch("subscription ($id: ID!) { live { product(id: $id) { name } } }", {"id": apple}, caller=ada) as watching:
        assert watching.last["data"] == {"live": {"product": None}}
        await driver.products.insert_one(stored)
        await watching.count(2)
        assert watching.last["data"] == {"live": {"product": {"name": "Apple"}}}


async def test_a_live_result_of_an_equal_or_later_version_contains_the_mutation(api: Api, ada: Person) -> None:
    apple = await create(api, ada, name="Apple")
    async with api.watch(STOCKS, caller=ada) as watching:
        for stock in range(1, 20):
            answer = await api.execute(ADJUST, {"id": apple, "delta": 1}, caller=ada)
            version = answer["extensions"]["version"]
            await watching.until(lambda version=version: watching.last["extensions"]["live"]["version"] >= version)  # type: ignore[misc]
            [node] = watching.last["data"]["live"]["products"]["nodes"]
            assert node["stock"] >= stock


async def test_whoever_subscribes_after_a_mutation_sees_it_in_the_first_result(api: Api, ada: Person) -> None:
    apple = await create(api, ada, name="Apple")
    async with api.watch(STOCKS, caller=ada):
        for stock in range(1, 20):
            await api.data(ADJUST, {"id": apple, "delta": 1}, caller=ada)
            async with api.watch(STOCKS, caller=ada) as late:
                assert late.results[0]["data"]["live"]["products"]["nodes"][0]["stock"] == stock


async def test_a_slow_reader_gets_the_newest_result_and_none_between(api: Api, ada: Person) -> None:
    apple = await create(api, ada, name="Apple")
    async with api.watch(STOCKS, caller=ada) as quick:
        [run] = api.engine._runs
        slow = api.engine.watch(run.plan)
        await anext(slow)
        for delta in range(1, 6):
            await api.data(ADJUST, {"id": apple, "delta": 1}, caller=ada)
            await quick.count(1 + delta)
        newest = await anext(slow)
        assert b'"stock":5' in newest.payload
        await slow.aclose()


async def test_signing_out_ends_what_is_being_watched(api: Api, ada: Person) -> None:
    async with api.watch(STOCKS, caller=ada) as watching:
        await api.data("mutation { signOut }", caller=ada)
        await watching.count(2)
        [error] = watching.last["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert api.engine.distinct_operations == 0


async def test_a_refreshed_token_runs_nothing_again(api: Api, ada: Person) -> None:
    async with api.watch(STOCKS, caller=ada) as watching:
        await api.settle()
        runs = api.engine.counters.runs
        document = "mutation ($token: String!) { refreshSession(refreshToken: $token) { refreshToken } }"
        await api.data(document, {"token": ada.refresh_token})
        await api.settle()
        assert api.engine.counters.runs == runs
        assert len(watching.results) == 1


async def test_an_operation_that_can_never_succeed_ends_with_its_error(api: Api, ada: Person) -> None:
    for document, caller, code in (
        (STOCKS, None, "UNAUTHENTICATED"),
        ('subscription { live { node(id: "nonsense") { id } } }', ada, "INVALID_INPUT"),
        ("subscription { live { products(first: 101) { nodes { id } } } }", ada, "INVALID_INPUT"),
    ):
        async with api.watch(document, caller=caller) as watching:
            assert watching.last["errors"][0]["extensions"]["code"] == code
    assert api.engine.distinct_operations == 0


async def test_a_lost_stream_is_opened_afresh_and_nothing_is_missed_or_sent_twice(api: Api, ada: Person) -> None:
    apple = await create(api, ada, name="Apple")
    async with api.watch(STOCKS, caller=ada) as watching:
        opened = api.engine.counters.streams_opened
        await api.engine._stream.close()
        await api.data(ADJUST, {"id": apple, "delta": 7}, caller=ada)
        await watching.count(2)
        await api.settle()
        assert api.engine.counters.streams_opened > opened
        assert [result["data"]["live"]["products"]["nodes"][0]["stock"] for result in watching.results] == [0, 7]


async def test_a_run_during_which_its_rows_change_runs_again(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    apple = await create(api, ada, name="Apple")
    execute, first = api.service.execute_live, iter((True,))

    async def execute_slowly(*arguments: Any) -> Outcome:
        outcome = await execute(*arguments)
        if next(first, False):
            await api.data(ADJUST, {"id": apple, "delta": 3}, caller=ada)
            await asyncio.wait_for(_followed(api), 5)
        return outcome

    monkeypatch.setattr(api.engine, "_execute", execute_slowly)
    async with api.watch(STOCKS, caller=ada) as watching:
        await watching.until(lambda: watching.last["data"]["live"]["products"]["nodes"][0]["stock"] == 3)
        await api.settle()
        assert [result["data"]["live"]["products"]["nodes"][0]["stock"] for result in watching.results] == [0, 3]


async def _followed(api: Api) -> None:
    now = await api.services.database.ping()
    while api.engine._stream.position < now:
        await asyncio.sleep(0.01)


async def test_a_database_that_does_not_answer_keeps_the_last_result_and_is_asked_again(
    api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    apple = await create(api, ada, name="Apple")
    execute, failures = api.service.execute_live, iter((True, True, False))

    async def fail_twice(*arguments: Any) -> Outcome:
        if next(failures, False):
            raise UnavailableError("gone for a moment")
        return await execute(*arguments)

    async with api.watch(STOCKS, caller=ada) as watching:
        monkeypatch.setattr(api.engine, "_execute", fail_twice)
        await api.data(ADJUST, {"id": apple, "delta": 3}, caller=ada)
        await watching.count(2)
        assert [result["data"]["live"]["products"]["nodes"][0]["stock"] for result in watching.results] == [0, 3]


async def test_nothing_is_kept_of_operations_that_nobody_watches(api: Api, ada: Person) -> None:
    async with api.watch(STOCKS, caller=ada):
        assert len(api.engine._matcher) == 1
    assert api.engine.distinct_operations == 0
    assert len(api.engine._matcher) == 0
    assert len(api.engine._sessions) == 0
    assert api.engine.subscribers == 0
