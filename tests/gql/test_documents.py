"""Documents: prepared once, refused clearly, and never expensive to refuse."""

import time

import pytest
from graphql import GraphQLSchema, build_schema

from datastore.settings import Settings
from gql.documents import MAX_CACHED_TEXT, MAX_DOCUMENTS, Documents
from gql.wire import RequestRefused

SCHEMA: GraphQLSchema = build_schema(
    "type Query { a: Query, n(x: Int): Int }  type Mutation { m: Int }  type Subscription { live: Query! }"
)


@pytest.fixture
def documents() -> Documents:
    return Documents(SCHEMA, Settings())


def refusal(documents: Documents, query: str, name: str | None = None) -> tuple[str, str]:
    with pytest.raises(RequestRefused) as caught:
        documents.prepare(query, name)
    [error] = caught.value.errors
    return error["extensions"]["code"], error["message"]


def test_a_document_is_parsed_and_validated_once(documents: Documents) -> None:
    assert documents.prepare("{ n }", None) is documents.prepare("{ n }", None)


def test_documents_that_differ_in_white_space_alone_have_the_same_text(documents: Documents) -> None:
    assert documents.prepare("{ n }", None).text == documents.prepare("{\n  n,\n} # number", None).text


def test_an_operation_is_chosen_by_its_name(documents: Documents) -> None:
    both = "query A { n } mutation B { m }"
    assert documents.prepare(both, "A").kind == "query"
    assert documents.prepare(both, "B").kind == "mutation"
    assert "several" in refusal(documents, both)[1]
    assert '"C"' in refusal(documents, both, "C")[1]
    assert "no operation" in refusal(documents, "fragment F on Query { n }")[1] or refusal(documents, "fragment F on Query { n }")[0]


@pytest.mark.parametrize(
    "query", ["", "{", "{ nope }", "{ n(x: 1.5) }", "{ n(x: 2147483648) }", '{ n(x: "a") }', "{ n(x: " + "9" * 5000 + ") }", "\x00"]
)
def test_what_is_not_valid_is_invalid_input(documents: Documents, query: str) -> None:
    assert refusal(documents, query)[0] == "INVALID_INPUT"
    assert refusal(documents, query)[0] == "INVALID_INPUT"


@pytest.mark.parametrize("depth", [21, 400, 2400])
def test_a_document_that_nests_too_deeply_is_too_complex(documents: Documents, depth: int) -> None:
    assert refusal(documents, "{ a " * depth + "{ n }" + " }" * depth)[0] == "TOO_COMPLEX"


def test_fragments_that_spread_one_another_twice_over_thirty_levels_are_refused_at_once(documents: Documents) -> None:
    fragments = " ".join(f"fragment f{n} on Query {{ a {{ ...f{n + 1} }} a {{ ...f{n + 1} }} }}" for n in range(30))
    begun = time.perf_counter()
    assert refusal(documents, "{ ...f0 } " + fragments + " fragment f30 on Query { n }")[0] == "TOO_COMPLEX"
    assert time.perf_counter() - begun < 1


def test_fragments_that_spread_themselves_are_refused(documents: Documents) -> None:
    assert refusal(documents, "{ ...f } fragment f on Query { ...f }")[0] == "INVALID_INPUT"


def test_a_document_of_too_many_tokens_is_refused(documents: Documents) -> None:
    assert refusal(documents, "{ " + "n " * 6000 + "}")[0] in {"INVALID_INPUT", "TOO_COMPLEX"}


def test_the_schema_is_told_unless_the_setting_says_no(documents: Documents) -> None:
    asked = "{ __schema { __typename } }"
    assert documents.prepare(asked, None).kind == "query"
    closed = Documents(SCHEMA, Settings(introspection="nobody"))
    assert refusal(closed, asked)[0] == "INVALID_INPUT"
    assert closed.prepare("{ __typename n }", None).kind == "query"


def test_what_is_kept_is_bounded(documents: Documents) -> None:
    for number in range(MAX_DOCUMENTS + 10):
        documents.prepare(f"{{ n(x: {number}) }}", None)
    documents.prepare("{ n } #" + "x" * MAX_CACHED_TEXT, None)
    assert len(documents._kept) == MAX_DOCUMENTS


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("{ " + " ".join(f"n{number}: n" for number in range(201)) + " }", "more than 200 aliases"),
        ("{ n " + "@skip(if: true) " * 101 + "}", "more than 100 directives"),
        ("{ ...f } fragment f on Query { " + " ".join(f"n{number}: n" for number in range(201)) + " }", "more than 200 aliases"),
        ("{ " + "n " * 52 + "}", "more than 50 fields of equal names"),
        ("{ n " + "... on Query { n } " * 52 + "}", "more than 50 fields of equal names"),
        ("{ " + "a { n n } " * 26 + "}", "more than 50 fields of equal names"),
        ("{ " + "".join(f"... on T{number} {{ n }} " for number in range(101)) + "}", "more than 100 inline fragments"),
        (" ".join(f"query q{number} {{ n }}" for number in range(51)), "more than 50 operations"),
        ("{ n } " + " ".join(f"fragment f{number} on Query {{ n }}" for number in range(51)), "more than 50 fragments"),
    ],
)
def test_a_document_that_repeats_itself_too_often_is_too_complex(documents: Documents, query: str, complaint: str) -> None:
    code, message = refusal(documents, query)
    assert code == "TOO_COMPLEX"
    assert complaint in message


def test_a_document_may_name_the_same_fields_for_every_type(documents: Documents) -> None:
    query = "{ " + "".join(f"... on T{number} {{ n x y }} " for number in range(60)) + "}"
    with pytest.raises(RequestRefused) as refused:
        documents.prepare(query, None)
    assert {error["extensions"]["code"] for error in refused.value.errors} == {"INVALID_INPUT"}  # there are no such types, and that is all


def test_a_document_may_have_as_many_aliases_and_directives_as_people_write(documents: Documents) -> None:
    assert documents.prepare("{ " + " ".join(f"n{number}: n" for number in range(200)) + " }", None).kind == "query"
    assert documents.prepare("{ " + " ".join(f"n{number}: n @skip(if: true)" for number in range(100)) + " }", None).kind == "query"
