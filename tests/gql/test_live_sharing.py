"""What wakes a live operation, and whom it is shared with: no more than its result rests on."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graphql import parse

from gql.columns import columns_selected
from gql.live_contracts import Outcome
from gql.schema import build_schema
from resolvers.nodes import tables_by_type
from resolvers.usage import Sharing
from tests.gql.api import Api, Person
from tests.gql.colleagues import colleague

CREATE = 'mutation ($n: String!) { createProduct(input: {name: $n, price: "1.00"}) { id } }'
ADJUST = 'mutation ($id: ID!) { adjustStock(input: {productId: $id, delta: 1, reason: ""}) { id } }'
RENAME = "mutation ($id: ID!, $n: String!) { updateProduct(input: {id: $id, name: $n}) { id } }"
NAMES = "subscription { live { products(first: 5) { nodes { id name } } } }"
PERSONAL = "subscription { live { viewer { name } products(first: 5) { nodes { name } } } }"
BY_ROLE = "subscription { live { products(first: 5) { nodes { name } } viewer { role } } }"


def stocks(result: dict[str, Any]) -> list[int]:
    return [node["stock"] for node in result["data"]["live"]["products"]["nodes"]]


# --- the fields that an operation used ---


async def test_a_change_of_stock_alone_wakes_no_operation_that_never_read_stock(api: Api, ada: Person, product: str) -> None:
    with_stock = "subscription { live { products(first: 5) { nodes { stock } } } }"
    async with api.watch(NAMES, caller=ada) as names, api.watch(with_stock, caller=ada) as stock:
        await api.settle()
        runs = api.engine.counters.runs
        await api.data(ADJUST, {"id": product}, caller=ada)
        await stock.count(2)
        await api.settle()
        assert api.engine.counters.runs == runs + 1
        assert len(names.results) == 1
        await api.data(RENAME, {"id": product, "n": "Coffee"}, caller=ada)
        await names.count(2)


@pytest.mark.parametrize("selection", ["updatedAt", "lowStock", "stock", "stockMovements { nodes { delta } }"])
async def test_a_change_of_stock_wakes_whoever_shows_what_it_alters(api: Api, ada: Person, product: str, selection: str) -> None:
    async with api.watch(f'subscription {{ live {{ product(id: "{product}") {{ {selection} }} }} }}', caller=ada) as watching:
        await api.data(ADJUST, {"id": product}, caller=ada)
        await watching.count(2)
        assert watching.last["data"] != watching.results[0]["data"]


async def test_a_list_is_woken_by_the_key_it_is_ordered_by_though_it_does_not_show_it(api: Api, ada: Person, product: str) -> None:
    other = (await api.data(CREATE, {"n": "Ale"}, caller=ada))["createProduct"]["id"]
    document = "subscription { live { products(first: 5, orderBy: STOCK, descending: true) { nodes { id } } } }"
    async with api.watch(document, caller=ada) as watching:
        await api.data(ADJUST, {"id": product}, caller=ada)
        await watching.until(lambda: watching.last["data"]["live"]["products"]["nodes"] == [{"id": product}, {"id": other}])
        assert watching.results[0]["data"]["live"]["products"]["nodes"] == [{"id": other}, {"id": product}]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("{ products { nodes { id name } } }", {"products": {"id", "name"}}),
        ("{ products { nodes { price } } }", {"products": {"price_minor", "currency"}}),
        ("{ products { nodes { category { name } } } }", {"products": {"category_id"}, "product_categories": {"name"}}),
        ("{ products { nodes { ...f } } } fragment f on Product { sku }", {"products": {"sku"}}),
        ("{ productCategories { nodes { products { nodes { id } } } } }", {"product_categories": set(), "products": {"id"}}),
        ("{ __typename products { pageInfo { endCursor } } }", {}),
    ],
)
def test_the_columns_of_a_selection_are_those_its_fields_are_made_of(selection: str, expected: dict[str, set[str]]) -> None:
    found = columns_selected(build_schema()._schema, parse(selection), tables_by_type())
    assert {table: set(columns or ()) for table, columns in found.items()} == expected


def test_a_field_of_any_row_is_a_field_of_every_table() -> None:
    found = columns_selected(build_schema()._schema, parse('{ node(id: "") { createdAt } }'), tables_by_type())
    assert set(found) == {table.spec.name for table in tables_by_type().values()}
    assert set(found.values()) == {frozenset({"created_at"})}


# --- whom a run is shared with ---


async def test_ten_tills_of_one_shop_on_the_same_list_are_one_execution(api: Api, ada: Person, product: str) -> None:
    tills = [ada, *[await colleague(api, ada, role) for role in ("STAFF", "MANAGER", "OWNER") * 3]]
    async with AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(api.watch(NAMES, caller=till)) for till in tills]
        await api.settle()
        assert api.engine.distinct_operations == 1
        runs = api.engine.counters.runs
        await api.data(RENAME, {"id": product, "n": "Coffee"}, caller=ada)
        for watching in watchers:
            await watching.count(2)
        assert api.engine.counters.runs == runs + 1


async def test_ten_tills_that_open_at_once_are_soon_one_execution(api: Api, ada: Person, product: str) -> None:
    tills = [ada, *[await colleague(api, ada) for _ in range(9)]]
    document = f'subscription {{ live {{ product(id: "{product}") {{ name sku }} }} }}'
    async with AsyncExitStack() as stack:
        watchers = await asyncio.gather(*(stack.enter_async_context(api.watch(document, caller=till)) for till in tills))
        await api.settle()
        assert api.engine.distinct_operations == 1
        await api.data(RENAME, {"id": product, "n": "Coffee"}, caller=ada)
        for watching in watchers:
            await watching.count(2)
            assert len(watching.results) == 2


async def test_what_reads_the_person_is_the_persons_own(api: Api, ada: Person, product: str) -> None:
    bob = await colleague(api, ada)
    async with api.watch(PERSONAL, caller=ada) as hers, api.watch(PERSONAL, caller=bob) as his:
        await api.settle()
        assert api.engine.distinct_operations == 2
        await api.data('mutation { updateProfile(input: {name: "Robert"}) { id } }', caller=bob)
        await his.count(2)
        await api.settle()
        assert his.last["data"]["live"]["viewer"] == {"name": "Robert"}
        assert len(hers.results) == 1


async def test_an_operation_that_comes_to_read_the_person_parts_before_anybody_is_shown_anothers(
    api: Api, ada: Person, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await colleague(api, ada)
    execute, personal = api.service.execute_live, asyncio.Event()

    async def execute_personally(plan: Any, floor: Any) -> Outcome:
        outcome = await execute(plan, floor)
        if not personal.is_set():
            return outcome
        body = b'{"data":{"live":"' + plan.scope.user_id.encode() + b'"}}'
        return replace(outcome, body=body, sharing=Sharing.PERSON)

    monkeypatch.setattr(api.engine, "_execute", execute_personally)
    document = "subscription { live { products(first: 3) { nodes { name } } } }"
    async with api.watch(document, caller=ada) as hers, api.watch(document, caller=bob) as his:
        await api.settle()
        assert api.engine.distinct_operations == 1
        personal.set()
        await api.data(RENAME, {"id": product, "n": "Coffee"}, caller=ada)
        await asyncio.gather(hers.count(2), his.count(2))
        await api.settle()
        assert api.engine.distinct_operations == 2
        assert [result["data"]["live"] for result in hers.results[1:]] == [ada.user_id]
        assert [result["data"]["live"] for result in his.results[1:]] == [bob.user_id]


async def test_accounts_are_never_shared_whatever_is_read(api: Api, ada: Person) -> None:
    stranger = await api.sign_up()
    document = "subscription { live { settings { currency } } }"
    async with api.watch(document, caller=ada), api.watch(document, caller=stranger):
        await api.settle()
        assert api.engine.distinct_operations == 2


# --- the clock ---


async def test_a_run_that_read_the_clock_is_woken_when_that_stops_being_true_and_only_then(
    api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, untils = api.service.execute_live, iter([datetime.now(UTC) + timedelta(seconds=0.3)])

    async def execute_by_the_clock(*arguments: Any) -> Outcome:
        return replace(await execute(*arguments), until=next(untils, None))

    monkeypatch.setattr(api.engine, "_execute", execute_by_the_clock)
    async with api.watch("subscription { live { settings { locale } } }", caller=ada):
        begun, runs = datetime.now(UTC), api.engine.counters.runs
        async with asyncio.timeout(5):
            while api.engine.counters.runs == runs:
                await asyncio.sleep(0.01)
        assert datetime.now(UTC) - begun < timedelta(seconds=2)
        await api.settle()
        assert api.engine.counters.runs == runs + 1


async def test_the_live_engine_itself_can_be_watched(api: Api) -> None:
    async with api.watch("subscription { live { engine { ready subscribers distinctOperations runs } } }") as watching:
        await watching.count(2)
        assert watching.last["data"]["live"]["engine"]["ready"] is True
        assert watching.results[1]["data"]["live"]["engine"]["runs"] > watching.results[0]["data"]["live"]["engine"]["runs"]
