"""Which error becomes which response."""

import logging
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import orjson
import pytest
import strawberry
import strawberry.pydantic
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    execute_sync,
    parse,
    validate,
)
from pydantic import BaseModel, Field
from strawberry.exceptions import StrawberryInputCoercionError

from datastore.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    TillstreamError,
    TooComplexError,
    UnauthenticatedError,
    UnavailableError,
)
from gql.errors import describe, encode_errors, format_error, http_status, refusal


def _money(value: object) -> Decimal:
    match value:
        case "bug":
            raise KeyError("secret of the house")
        case "scale":
            raise InvalidInputError("must have two decimals.")
        case "busy":
            raise UnavailableError("Later.")
    return Decimal(str(value))


def _fail(_root: object, _info: object, **arguments: Any) -> None:
    raise arguments.get("with_error") or RuntimeError("secret of the house")


MONEY = GraphQLScalarType("Money", coerce_input_value=_money)
ITEM: GraphQLInputObjectType = GraphQLInputObjectType(
    "Item",
    lambda: {
        "price": GraphQLInputField(GraphQLNonNull(MONEY)),
        "tags": GraphQLInputField(GraphQLList(GraphQLNonNull(GraphQLInt))),
        "items": GraphQLInputField(GraphQLList(ITEM)),
    },
)
SCHEMA = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        {
            "create": GraphQLField(GraphQLString, args={"input": GraphQLArgument(ITEM), "first": GraphQLArgument(GraphQLInt)}),
            "fail": GraphQLField(GraphQLString, resolve=_fail),
            "must": GraphQLField(GraphQLNonNull(GraphQLString)),
        },
    )
)


def errors_of(query: str, variables: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return [format_error(error, "r1")]
    errors = validate(SCHEMA, document) or execute_sync(SCHEMA, document, variable_values=variables).errors or []
    return [format_error(error, "r1") for error in errors]


@pytest.mark.parametrize(
    ("error", "extensions", "status"),
    [
        (UnauthenticatedError(), {"code": "UNAUTHENTICATED"}, 401),
        (ForbiddenError("no"), {"code": "FORBIDDEN"}, 403),
        (NotFoundError("no"), {"code": "NOT_FOUND"}, 404),
        (InvalidInputError.of("a.b", "no"), {"code": "INVALID_INPUT", "fields": [{"path": "a.b", "message": "no"}]}, 400),
        (ConflictError("no"), {"code": "CONFLICT"}, 409),
        (RateLimitedError("no", 1.5), {"code": "RATE_LIMITED", "retryAfter": 1.5}, 429),
        (TooComplexError("no"), {"code": "TOO_COMPLEX"}, 400),
        (UnavailableError("no"), {"code": "UNAVAILABLE"}, 503),
    ],
)
def test_an_error_of_ours_keeps_its_message_and_code(error: TillstreamError, extensions: dict[str, Any], status: int) -> None:
    wrapped = GraphQLError("wrapped", original_error=error, path=["a", 0, "b"])
    expected = {"message": error.message, "extensions": extensions}
    assert format_error(wrapped, "r1") == expected | {"path": ["a", 0, "b"]}
    assert orjson.loads(refusal(error)) == {"errors": [expected]}
    assert http_status([describe(error)], executed=False) == status


def test_the_status_of_what_was_executed_says_whether_there_were_errors() -> None:
    assert http_status([], executed=True) == 200
    assert http_status([describe(UnauthenticatedError())], executed=True) == 294


def test_the_status_of_several_refusals_is_theirs_only_if_they_agree() -> None:
    agreeing = [describe(UnauthenticatedError()), describe(UnauthenticatedError())]
    assert http_status(agreeing, executed=False) == 401
    assert http_status([*agreeing, describe(ForbiddenError("no"))], executed=False) == 400


@pytest.mark.parametrize("query", ["{ fail }", "{ must }"])
def test_a_fault_of_ours_tells_the_request_id_and_nothing_else(query: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="tillstream"):
        [error] = errors_of(query)
    assert error["message"] == "Internal error."
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "r1"}
    assert "secret" not in str(error)
    [record] = caplog.records
    assert "r1" in record.getMessage()
    assert record.exc_info is not None
    assert http_status([error], executed=False) == 500


@pytest.mark.parametrize(
    ("query", "variables", "path"),
    [
        ("query ($first: Int) { create(first: $first) }", {"first": "ten"}, "first"),
        ("query ($first: Int) { create(first: $first) }", {"first": 2**31}, "first"),
        ("query ($first: Int) { create(first: $first) }", {"first": 1e300}, "first"),
        ("query ($first: Int!) { create(first: $first) }", {}, "first"),
        ("query ($first: Int!) { create(first: $first) }", {"first": None}, "first"),
        ("query ($input: Item) { create(input: $input) }", {"input": 7}, "input"),
        ("query ($input: Item) { create(input: $input) }", {"input": {}}, "input.price"),
        ("query ($input: Item) { create(input: $input) }", {"input": {"price": "1", "cost": 1}}, "input.cost"),
        ("query ($input: Item) { create(input: $input) }", {"input": {"price": "1,50"}}, "input.price"),
        ("query ($input: Item) { create(input: $input) }", {"input": {"price": "scale"}}, "input.price"),
        ("query ($input: Item) { create(input: $input) }", {"input": {"price": 1, "tags": [1, None]}}, "input.tags.1"),
        ("query ($i: Item) { create(input: $i) }", {"i": {"price": 1, "items": [{"price": 1}, {"price": "x"}]}}, "i.items.1.price"),
        ('{ create(first: "ten") }', None, "first"),
        ("{ create(first: 99999999999) }", None, "first"),
        ('{ create(input: {price: 1}, first:\n# ( [ {\n"ten") }', None, "first"),
        ("{ create(input: {}) }", None, "input.price"),
        ("{ create(input: {price: 1, cost: 2}) }", None, "input.cost"),
        ('{ create(input: {price: 1, tags: [1, $a, "{", "x"]}) }', None, "input.tags.2"),
        ('{ create(input: {price: 1, items: [{price: 1}, {items: [], price: "x"}]}) }', None, "input.items.1.price"),
        ("{ create(last: 1) }", None, "last"),
        ("{ create(last: {a: [1]}) }", None, "last"),
    ],
)
def test_bad_input_is_named_where_it_stands(query: str, variables: dict[str, Any] | None, path: str) -> None:
    errors = errors_of(query, variables)
    assert {error["extensions"]["code"] for error in errors} == {"INVALID_INPUT"}
    named = [error for error in errors if [field["path"] for field in error["extensions"]["fields"]] == [path]]
    assert named
    assert named[0]["message"] == f"{path}: {named[0]['extensions']['fields'][0]['message']}"
    assert "Variable '" not in named[0]["message"]
    assert named[0]["locations"]


@pytest.mark.parametrize("query", ["", "{", "{ nope }", "query ($x: Int = true) { create(first: $x) }", '{ create(first: "\\ud800") }'])
def test_what_is_wrong_with_a_document_is_invalid_input(query: str) -> None:
    errors = errors_of(query)
    assert {error["extensions"]["code"] for error in errors} == {"INVALID_INPUT"}
    assert errors[0]["locations"]


def test_a_scalar_keeps_the_code_of_what_it_raises() -> None:
    [error] = errors_of("query ($input: Item) { create(input: $input) }", {"input": {"price": "busy"}})
    assert error["extensions"]["code"] == "UNAVAILABLE"


def test_a_bug_in_a_scalar_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    [error] = errors_of("query ($input: Item) { create(input: $input) }", {"input": {"price": "bug"}})
    assert error["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(error)
    assert caplog.records


def test_a_scalar_may_refuse_by_arithmetic() -> None:
    with pytest.raises(InvalidOperation):
        _money("1,50")


@strawberry.pydantic.input
class ShopInput(BaseModel):
    name: str = Field(max_length=3)
    sizes: list[Annotated[int, Field(ge=0)]]


@strawberry.type
class ShopQuery:
    @strawberry.field
    def open(self, shop: ShopInput) -> str:
        return shop.name


def test_pydantic_names_every_bad_field_of_an_input() -> None:
    result = strawberry.Schema(ShopQuery).execute_sync('{ open(shop: {name: "Tilly", sizes: [1, -1]}) }')
    assert result.errors
    error = format_error(result.errors[0], "r1")
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert [field["path"] for field in error["extensions"]["fields"]] == ["shop.name", "shop.sizes.1"]
    assert error["message"].startswith("shop.name: String should have at most 3 characters; shop.sizes.1: ")
    assert error["path"] == ["open"]


def test_a_refusal_of_input_by_strawberry_is_invalid_input() -> None:
    refused = GraphQLError("Value must be a whole number.", original_error=StrawberryInputCoercionError("Value must be a whole number."))
    assert format_error(refused, "r1")["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("message", ["x" * 100_000, "a\ud800b"])
def test_a_message_can_always_be_sent(message: str) -> None:
    error = format_error(GraphQLError(message), "r1")
    assert len(encode_errors([error])) < 2000
