"""Errors as problem details (RFC 9457): the codes of GraphQL's errors beside the status that HTTP has for them."""

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.responses import Response

from datastore.errors import FieldProblem, InvalidInputError, RateLimitedError, TillstreamError, UnauthenticatedError
from gql.errors import describe, describe_fault
from resolvers.product_import import ImportRefusedError

MEDIA_TYPE: Final = "application/problem+json"

STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "INVALID_INPUT": 422,
    "TOO_COMPLEX": 422,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
}

# The functions of the business name what is wrong as a GraphQL argument; here the body is the argument.
_ARGUMENT: Final = re.compile(r"(^|; )input\.")


class Problem(Exception):  # noqa: N818  It is an answer like any other, not a fault
    """An error that is answered with a status of its own."""

    def __init__(self, status: int, error: TillstreamError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, error: TillstreamError) -> "Problem":
        """The error with the status of its code."""
        headers = {}
        if isinstance(error, UnauthenticatedError):
            headers = {"WWW-Authenticate": 'Bearer realm="Tillstream", error="invalid_token"'}
        elif isinstance(error, RateLimitedError):
            headers = {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
        return cls(STATUS_OF_CODE[error.code], error, headers)


def problem_response(problem: Problem, request_id: str) -> Response:
    """The answer that a problem is."""
    described = describe(_in_the_body(problem.error))
    members = {"detail": described["message"], **described["extensions"]}
    if isinstance(problem.error, ImportRefusedError):
        members["report"] = problem.error.report.model_dump(mode="json", by_alias=True)
    return _response(problem.status, members, request_id, problem.headers)


def fault_response(error: BaseException, request_id: str) -> Response:
    """INTERNAL: logs what went wrong, and tells the client the request's id alone."""
    described = describe_fault(error, request_id)
    return _response(500, {"detail": described["message"], **described["extensions"]}, request_id, {})


def _in_the_body(error: TillstreamError) -> TillstreamError:
    message = _ARGUMENT.sub(r"\1", error.message)
    if isinstance(error, InvalidInputError):
        return InvalidInputError(message, [FieldProblem(_ARGUMENT.sub("", one.path), one.message) for one in error.fields])
    error.message = message
    return error


def _response(status: int, members: Mapping[str, Any], request_id: str, headers: Mapping[str, str]) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **members, "requestId": request_id}
    always = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Request-Id": request_id}
    return Response(orjson.dumps(body), status, {**always, **headers})
