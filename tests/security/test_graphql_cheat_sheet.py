"""OWASP GraphQL Cheat Sheet (https://cheatsheetseries.owasp.org/cheatsheets/GraphQL_Cheat_Sheet.html), each item tried by a request."""

import time
from collections.abc import Callable

import pytest
from graphql import get_introspection_query

from tests.gql.api import Person
from tests.security.conftest import Site

DEEP = '{ product(id: "x") ' + "{ category { products(first: 1) { nodes " * 10 + "{ id }" + " } } }" * 10 + " }"
COSTLY = "{ products(first: 100) { nodes { category { products(first: 100) { nodes { id name sku price stock createdAt } } } } } }"


def doubling() -> str:
    """Fragments that spread each other twice over thirty levels: 1.5 kB that a naive limiter expands a billion times."""
    fragments = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
    return f"{{ ...f0 }} {fragments} fragment f30 on Query {{ __typename }}"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param(DEEP, "TOO_COMPLEX", id="depth"),
        pytest.param(COSTLY, "TOO_COMPLEX", id="amount"),
        pytest.param("{ " + " ".join(f"a{n}: __typename" for n in range(201)) + " }", "TOO_COMPLEX", id="aliases"),
        pytest.param("{ " + "__typename " * 2500 + "}", "TOO_COMPLEX", id="repeated fields"),
        pytest.param("{ __typename " + "@skip(if: false) " * 101 + "}", "TOO_COMPLEX", id="directives"),
        pytest.param("{ __typename" + " " + "# x\n" * 10 + "a " * 5000 + "}", "TOO_COMPLEX", id="tokens"),
        pytest.param("{ a " * 1500, "TOO_COMPLEX", id="nesting of syntax"),
        pytest.param("{ nodes(ids: " + "[" * 1000 + "]" * 1000 + ") { id } }", "TOO_COMPLEX", id="nesting of values"),
        pytest.param(
            "{ " + " ".join(f"a{n}: __schema {{ types {{ fields {{ name args {{ name }} }} }} }}" for n in range(200)) + " }",
            "TOO_COMPLEX",
            id="schema",
        ),
        pytest.param("fragment f on Query { ...f } { ...f }", "INVALID_INPUT", id="circular fragments"),
    ],
)
async def test_a_document_made_to_be_expensive_is_refused_at_once(site: Site, ada: Person, document: str, code: str) -> None:
    begun = time.perf_counter()
    assert code in await site.codes(document, Authorization=f"Bearer {ada.access_token}")
    assert time.perf_counter() - begun < 2


async def test_fragments_that_double_are_counted_without_being_expanded(site: Site) -> None:
    begun = time.perf_counter()
    assert await site.codes(doubling()) == ["TOO_COMPLEX"]
    assert time.perf_counter() - begun < 2


async def test_a_request_that_is_too_long_is_refused_before_it_is_read(site: Site) -> None:
    answer = await site.client.post("/graphql", content=b"{" * (1024 * 1024 + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_batches_are_not_taken(site: Site) -> None:
    answer = await site.client.post("/graphql", json=[{"query": "{ __typename }"}] * 10)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("document", [get_introspection_query(), '{ __type(name: "Query") { name } }', "{ __schema { types { name } } }"])
async def test_the_schema_is_told_to_nobody_who_is_not_signed_in(site: Site, ada: Person, document: str) -> None:
    assert await site.codes(document) == ["UNAUTHENTICATED"]
    assert await site.codes(document, Authorization=f"Bearer {ada.access_token}") == []


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("{ viever { email } }", None),
        ("{ viewer { emial } }", None),
        ("{ product(di: 1) { name } }", None),
        ("query ($i: ProductInputt) { __typename }", None),
        ("mutation ($input: SignInInput!) { signIn(input: $input) { user { id } } }", {"input": {"emial": "x", "password": "y"}}),
        ("{ dashboard(preset: TODAI) { salesCount } }", None),
    ],
)
async def test_no_error_tells_names_of_the_schema_that_were_not_asked_for(
    site: Site, document: str, variables: dict[str, object] | None
) -> None:
    answer = (await site.post(document, variables)).json()
    assert answer["errors"]
    assert "Did you mean" not in str(answer)


async def test_no_answer_tells_of_the_works_inside(site: Site, ada: Person) -> None:
    for document in ("{ viewer", "query ($x: Int) { __typename }", '{ node(id: "x") { id } }', '{ product(id: "prd_1") { id } }'):
        answer = (await site.post(document, Authorization=f"Bearer {ada.access_token}")).text
        for inside in ("Traceback", 'File "', "pymongo", "mongodb://", ".py", "strawberry", "graphql-core"):
            assert inside not in answer


@pytest.mark.parametrize("named", [lambda id: f'{{ node(id: "{id}") {{ id }} }}', lambda id: f'{{ product(id: "{id}") {{ id }} }}'])
async def test_another_businesss_row_is_not_found_by_its_id(site: Site, ada: Person, named: Callable[[str], str]) -> None:
    made = await site.post(
        'mutation { createProduct(input: {name: "Tea", price: "1"}) { id } }', Authorization=f"Bearer {ada.access_token}"
    )
    id = made.json()["data"]["createProduct"]["id"]
    mallory = await site.sign_up("mallory@example.org")
    answer = (await site.post(named(id), Authorization=f"Bearer {mallory.access_token}")).json()
    assert not answer.get("data") or list(answer["data"].values()) == [None]
    assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"NOT_FOUND"}


async def test_mutations_are_never_carried_out_by_get(site: Site) -> None:
    answer = await site.client.get("/graphql", params={"query": "mutation { signOut }"})
    assert answer.status_code == 405


async def test_an_access_token_in_an_address_is_no_access(site: Site, ada: Person) -> None:
    params = {"query": "{ viewer { email } }", "access_token": ada.access_token, "authorization": f"Bearer {ada.access_token}"}
    answer = (await site.client.get("/graphql", params=params)).json()
    assert answer.get("data") in (None, {"viewer": None})
