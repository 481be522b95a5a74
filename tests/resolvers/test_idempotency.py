"""Idempotency keys, through the public API."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from datastore.scope import grant
from datastore.sealing import Digests
from gql.schema import marked_functions
from resolvers import MODULES, idempotency
from resolvers.idempotency import Replays
from tests.gql.api import Api, Person

CREATE = 'mutation ($name: String!) { createProduct(input: {name: $name, price: "1.00"}) { id name createdAt } }'
COUNT = "{ products(first: 100) { nodes { id } } }"


@pytest.fixture
async def ada(api: Api) -> Person:
    return await api.sign_up()


async def create(api: Api, caller: Person, name: str, key: str | None) -> dict[str, Any]:
    return await api.execute(CREATE, {"name": name}, caller=caller, idempotency_key=key)


async def count(api: Api, caller: Person) -> int:
    return len((await api.data(COUNT, caller=caller))["products"]["nodes"])


async def test_the_same_key_and_input_gives_the_first_result(api: Api, ada: Person) -> None:
    first, again = await create(api, ada, "Tea", "k"), await create(api, ada, "Tea", "k")
    assert again["data"] == first["data"]
    assert await count(api, ada) == 1


async def test_a_repeat_wrote_nothing_and_so_carries_no_version(api: Api, ada: Person) -> None:
    assert "version" in (await create(api, ada, "Tea", "k"))["extensions"]
    assert "version" not in (await create(api, ada, "Tea", "k"))["extensions"]


async def test_the_same_key_with_another_input_is_a_conflict(api: Api, ada: Person) -> None:
    await create(api, ada, "Tea", "k")
    assert (await create(api, ada, "Coffee", "k"))["errors"][0]["extensions"]["code"] == "CONFLICT"
    assert await count(api, ada) == 1


async def test_the_same_key_at_another_mutation_is_a_conflict(api: Api, ada: Person) -> None:
    await create(api, ada, "Tea", "k")
    document = 'mutation { createProduct: createProductCategory(input: {name: "Tea"}) { id } }'
    response = await api.execute(document, caller=ada, idempotency_key="k")
    assert response["errors"][0]["extensions"]["code"] == "CONFLICT"


async def test_twenty_at_once_with_one_key_do_it_once(api: Api, ada: Person) -> None:
    answers = await asyncio.gather(*(create(api, ada, "Tea", "k") for _ in range(20)))
    assert len({answer["data"]["createProduct"]["id"] for answer in answers}) == 1
    assert await count(api, ada) == 1


async def test_without_a_key_a_repeat_is_another(api: Api, ada: Person) -> None:
    await create(api, ada, "Tea", None)
    await create(api, ada, "Tea", None)
    assert await count(api, ada) == 2


async def test_a_key_is_the_callers_own(api: Api, ada: Person) -> None:
    bob = await api.sign_up()
    await create(api, ada, "Tea", "k")
    await create(api, bob, "Tea", "k")
    assert await count(api, ada) == await count(api, bob) == 1


async def test_a_failure_keeps_no_result(api: Api, ada: Person) -> None:
    document = 'mutation ($sku: String!) { createProduct(input: {name: "Tea", price: "1.00", sku: $sku}) { id } }'
    await api.data(document, {"sku": "T"}, caller=ada)
    refused = await api.execute(document, {"sku": "T"}, caller=ada, idempotency_key="k")
    assert refused["errors"][0]["extensions"]["code"] == "CONFLICT"
    made = await api.execute(document, {"sku": "U"}, caller=ada, idempotency_key="k")
    assert "errors" not in made


async def test_several_mutations_of_one_request_each_have_a_result(api: Api, ada: Person) -> None:
    document = (
        'mutation { a: createProduct(input: {name: "A", price: "1.00"}) { id } b: createProduct(input: {name: "B", price: "1.00"}) { id } }'
    )
    first = await api.execute(document, caller=ada, idempotency_key="k")
    assert (await api.execute(document, caller=ada, idempotency_key="k"))["data"] == first["data"]
    assert await count(api, ada) == 2


async def test_a_key_is_free_again_after_its_time(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(api, ada, "Tea", "k")
    monkeypatch.setattr(idempotency, "KEPT_FOR", timedelta(0))
    await create(api, ada, "Coffee", "k")
    assert await count(api, ada) == 2


async def test_a_result_that_is_no_row_is_given_again_too(api: Api, ada: Person) -> None:
    assert (await api.execute("mutation { signOut }", caller=ada, idempotency_key="k"))["data"] == {"signOut": True}


REORDER = "mutation ($ids: [ID!]!) { reorderProductCategories(ids: $ids) { id name position } }"


async def categories(api: Api, caller: Person) -> list[str]:
    create = "mutation ($name: String!) { made: createProductCategory(input: {name: $name}) { id } }"
    return [(await api.data(create, {"name": name}, caller=caller))["made"]["id"] for name in ("Tea", "Bread")]


async def test_a_list_is_given_again_as_it_was(api: Api, ada: Person) -> None:
    ids = await categories(api, ada)
    first = await api.execute(REORDER, {"ids": ids[::-1]}, caller=ada, idempotency_key="k")
    await api.data(REORDER, {"ids": ids}, caller=ada)
    again = await api.execute(REORDER, {"ids": ids[::-1]}, caller=ada, idempotency_key="k")
    assert again["data"] == first["data"]
    other = await api.execute(REORDER, {"ids": ids}, caller=ada, idempotency_key="k")
    assert other["errors"][0]["extensions"]["code"] == "CONFLICT"
    kept = (await api.data("{ productCategories { nodes { id } } }", caller=ada))["productCategories"]["nodes"]
    assert [row["id"] for row in kept] == ids


async def test_of_a_list_that_is_too_long_to_keep_the_rows_are_given_as_they_are(
    api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEPT_BYTES", 10)
    ids = await categories(api, ada)
    first = (await api.execute(REORDER, {"ids": ids[::-1]}, caller=ada, idempotency_key="k"))["data"]["reorderProductCategories"]
    await api.data("mutation ($id: ID!) { deleteProductCategory(id: $id) { id } }", {"id": ids[0]}, caller=ada)
    again = await api.execute(REORDER, {"ids": ids[::-1]}, caller=ada, idempotency_key="k")
    assert again["data"]["reorderProductCategories"] == first[:1]


def test_every_mutation_of_somebody_signed_in_can_be_repeated() -> None:
    scope = grant("acc_1", "usr_1", "OWNER")
    mutations = [function for module in MODULES for function, marking in marked_functions(module) if marking.kind.writes]
    kept = [function for function in mutations if Replays.of("k", "k", scope, function, {}, Digests(b"secret", b"test")) is not None]
    assert {function.__name__ for function in mutations} - {function.__name__ for function in kept} == {
        "sign_up",
        "sign_in",
        "refresh_session",
        "create_api_key",
        "create_webhook_endpoint",  # like the one before and the one behind it, it answers with a secret
        "rotate_webhook_secret",
        "create_upload",  # a procedure, whose mutations are kept each by itself
        "switch_account",
    }
