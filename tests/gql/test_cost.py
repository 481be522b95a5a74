"""What an operation costs is known before it runs, exactly where arguments say it, and never expensively."""

import time

import pytest
from graphql import GraphQLSchema, build_schema

from datastore.errors import TooComplexError
from datastore.settings import Settings
from gql.cost import ASSUMED_ITEMS, MOST_ITEMS, MUTATION_COST, check_cost, evaluate
from gql.documents import Documents
from tests.gql.api import Api, Person

SCHEMA: GraphQLSchema = build_schema("""
  type Query {
    n: Int, self: Query, many: [Query!]!, top(first: Int! = 3): [Query!]!, nodes(ids: [ID!]!): [Node]!, page(first: Int! = 25): Page!
  }
  type Page { nodes: [Query!]!, edges: [Edge!]!, info: Info! }
  type Edge { cursor: ID!, node: Query! }
  type Info { next: Boolean! }
  interface Node { id: ID! }
  type Thing implements Node { id: ID!, query: Query! }
  type Mutation { m: Query! }
  type Subscription { live: Query! }
""")


def cost(document: str, variables: dict[str, object] | None = None) -> int:
    return evaluate(Documents(SCHEMA, Settings()).prepare(document, None).cost, variables or {})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ n }", 1),
        ("{ a: n b: n }", 2),
        ("{ self { n } }", 2),
        ("{ many { n } }", 1 + ASSUMED_ITEMS * 2),
        ("{ top { n } }", 1 + 3 * 2),
        ("{ top(first: 7) { n } }", 1 + 7 * 2),
        ("{ page { nodes { n } } }", 1 + 1 + 25 * 2),
        ("{ page(first: 10) { edges { cursor node { n } } info { next } } }", 1 + 1 + 10 * 4 + 2),
        ("{ page(first: 10) { nodes { page(first: 5) { nodes { n } } } } }", 2 + 10 * (1 + 2 + 5 * 2)),
        ("{ page(first: 10) { nodes { many { n } } } }", 2 + 10 * (1 + 1 + ASSUMED_ITEMS * 2)),
        ('{ nodes(ids: ["a", "b"]) { id ... on Thing { query { n } } } }', 1 + 2 * (1 + 1 + 2)),
        ("{ page(first: 2) { ...p } } fragment p on Page { ...q info { next } } fragment q on Page { nodes { n } }", 1 + 1 + 2 * 2 + 2),
        ("{ ... on Query { many { ...q } } ...q } fragment q on Query { n }", 1 + ASSUMED_ITEMS * 2 + 1),
        ("{ top(first: 2000000000) { n } }", 1 + MOST_ITEMS * 2),
        ("{ top(first: -5) { n } }", 1),
        ("mutation { a: m { n } b: m { n } }", 2 * (2 + MUTATION_COST)),
        ("mutation { ...both } fragment both on Mutation { a: m { n } ... { b: m { n } } }", 2 * (2 + MUTATION_COST)),
        ("subscription { live { many { n } } }", 2 + ASSUMED_ITEMS * 2),
        ('{ __type(name: "Query") { name fields { name } } n }', 1 + 1),
    ],
)
def test_a_document_costs_the_values_of_full_pages(document: str, expected: int) -> None:
    assert cost(document) == expected


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("query ($n: Int!) { top(first: $n) { n } }", {"n": 9}, 19),
        ("query ($n: Int! = 4) { top(first: $n) { n } }", {}, 9),
        ("query ($n: Int! = 4) { top(first: $n) { n } }", {"n": 1}, 3),
        ("query ($n: Int!) { page(first: $n) { nodes { top(first: $n) { n } } } }", {"n": 3}, 2 + 3 * (1 + 1 + 3 * 2)),
        ("query ($n: Int! = 1) { page(first: $n) { nodes { top(first: $n) { n } } } }", {"n": 3.0}, 2 + 3 * (1 + 1 + 3 * 2)),
        ("query ($n: Int!) { top(first: $n) { n } }", {"n": 9.5}, 7),
        ("query ($n: Int!) { top(first: $n) { n } }", {"n": "nine"}, 7),
        ("query ($n: Int!) { top(first: $n) { n } }", {"n": True}, 7),
        ("query ($n: Int!) { top(first: $n) { n } }", {"n": 10**30}, 1 + MOST_ITEMS * 2),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a", "b", "c"]}, 1 + 3 * 2),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {}, 1 + ASSUMED_ITEMS * 2),
    ],
)
def test_variables_decide_what_is_left_open(document: str, variables: dict[str, object], expected: int) -> None:
    assert cost(document, variables) == expected


def test_fragments_that_double_over_thirty_levels_are_counted_in_full_and_at_once() -> None:
    fragments = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
    document = f"query ($n: Int!) {{ ...f0 }} {fragments} fragment f30 on Query {{ top(first: $n) {{ n }} }}"
    begun = time.perf_counter()
    assert cost(document, {"n": 1}) == 3 * 2**30
    assert time.perf_counter() - begun < 1


def test_what_costs_more_than_the_limit_is_refused() -> None:
    check_cost(100, 100)
    with pytest.raises(TooComplexError, match="may give 101 values, and 100"):
        check_cost(101, 100)


async def test_a_response_tells_its_cost(api: Api, ada: Person) -> None:
    response = await api.execute("{ products(first: 10) { nodes { name stock } } }", caller=ada)
    assert response["extensions"]["cost"] == {"values": 2 + 10 * 3, "limit": api.services.settings.max_query_cost}


@pytest.mark.parametrize("kind", ["query", "subscription"])
async def test_what_is_too_costly_is_neither_run_nor_watched(api: Api, ada: Person, kind: str) -> None:
    nested = "products(first: 100) { nodes { category { products(first: 100) { nodes { id name sku price stock category { name } } } } } }"
    document = f"{{ {nested} }}" if kind == "query" else f"subscription {{ live {{ {nested} }} }}"
    if kind == "query":
        assert await api.code(document, caller=ada) == "TOO_COMPLEX"
        return
    async with api.watch(document, caller=ada) as watching:
        [error] = watching.last["errors"]
        assert error["extensions"]["code"] == "TOO_COMPLEX"


async def test_a_whole_number_costs_the_same_however_it_is_written(api: Api, ada: Person) -> None:
    """GraphQL takes the JSON number 3.0 for an Int: so must who counts."""
    for name in ("Tea", "Mug", "Cup"):
        await api.data('mutation ($n: String!) { createProduct(input: {name: $n, price: "1.00"}) { id } }', {"n": name}, caller=ada)
    document = "query ($n: Int! = 1) { products(first: $n) { nodes { name } } }"
    plain, pointed = [await api.execute(document, {"n": number}, caller=ada) for number in (3, 3.0)]
    assert len(pointed["data"]["products"]["nodes"]) == 3
    assert pointed == plain
