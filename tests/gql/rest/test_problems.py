import logging

import orjson
import pytest

from datastore.errors import (
    ConflictError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    TillstreamError,
    TooComplexError,
    UnauthenticatedError,
    UnavailableError,
)
from gql.rest.problems import STATUS_OF_CODE, Problem, fault_response, problem_response

EACH = [
    (UnauthenticatedError("a"), 401, {"www-authenticate": 'Bearer realm="Tillstream", error="invalid_token"'}),
    (ForbiddenError("a"), 403, {}),
    (NotFoundError("a"), 404, {}),
    (ConflictError("a"), 409, {}),
    (InvalidInputError("a"), 422, {}),
    (TooComplexError("a"), 422, {}),
    (RateLimitedError("a", 1.2), 429, {"retry-after": "2"}),
    (UnavailableError("a"), 503, {}),
]


@pytest.mark.parametrize(("error", "status", "headers"), EACH)
def test_every_error_has_its_status_and_its_code(error: TillstreamError, status: int, headers: dict[str, str]) -> None:
    response = problem_response(Problem.of(error), "r1")
    body = orjson.loads(bytes(response.body))
    assert (response.status_code, body["status"], body["code"], body["detail"]) == (status, status, error.code, "a")
    assert (body["type"], body["requestId"], response.headers["x-request-id"]) == ("about:blank", "r1", "r1")
    assert {name: response.headers[name] for name in headers} == headers


def test_every_code_that_there_is_has_a_status() -> None:
    assert set(STATUS_OF_CODE) == {kind.code for kind in TillstreamError.__subclasses__() if "datastore.errors" in kind.__module__}


def test_places_are_named_as_they_stand_in_the_body() -> None:
    wrong = InvalidInputError("input.a: no; input.b: input. is a word", [FieldProblem("input.a", "no"), FieldProblem("b", "input.")])
    body = orjson.loads(bytes(problem_response(Problem.of(wrong), "r1").body))
    assert body["detail"] == "a: no; b: input. is a word"
    assert body["fields"] == [{"path": "a", "message": "no"}, {"path": "b", "message": "input."}]


def test_a_fault_tells_nothing_but_where_to_look(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = fault_response(RuntimeError("the secret"), "r1")
    assert response.status_code == 500
    assert b"secret" not in bytes(response.body)
    assert orjson.loads(bytes(response.body))["code"] == "INTERNAL"
    assert "the secret" in caplog.text
    assert "r1" in caplog.text
