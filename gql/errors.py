"""The one place where errors become responses (DESIGN section 5: one shape on every transport, `extensions.code` on every error).

What a caller did wrong, or what we say on purpose (`TillstreamError`), is told with its code. Everything else is a fault of ours: it is
logged with its traceback under the request id, and the client learns that id and nothing else.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from graphql import ArgumentNode, GraphQLError, ObjectFieldNode, ValueNode, VariableDefinitionNode
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.pydantic.error import InputValidationError

from datastore.errors import FieldProblem, InvalidInputError, TillstreamError
from gql.literals import argument_path

_log = logging.getLogger("tillstream")

FormattedError = dict[str, Any]

# A message quotes what the client wrote, which may be a megabyte.
_LONGEST_MESSAGE: Final = 1000

# GraphQL over HTTP, September 2026, "Partial success": data and errors both. A code of that specification, not of the IETF.
PARTIAL_SUCCESS: Final = 294

_STATUS_OF_CODE: Final = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
_BAD_REQUEST: Final = 400

# What a scalar raises for a value that it does not take (decimal.InvalidOperation is an ArithmeticError). Anything else is a bug in it.
_REFUSALS_BY_SCALARS: Final = (TillstreamError, StrawberryInputCoercionError, ValueError, TypeError, ArithmeticError)

# graphql-core has the path to a variable's bad part in its message only.
_AT_PATH: Final = re.compile(r"Variable '\$\w+' has invalid value at ((?:\.\w+|\[\d+\])+): ")
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_NAMED_FIELD: Final = re.compile(r"(?:required|unknown) field '(\w+)'")


def format_errors(errors: Iterable[GraphQLError], request_id: str) -> list[FormattedError]:
    """The `errors` of a response."""
    return [format_error(error, request_id) for error in errors]


def format_error(error: GraphQLError, request_id: str) -> FormattedError:
    """One error as the client sees it, with its `locations` and `path` where graphql-core knows them.

    A bad variable or literal is INVALID_INPUT, whatever its scalar raised, and `extensions.fields` says where it stands.
    """
    cause = _root_cause(error)
    if _is_bad_input(error, cause):
        formatted = _describe_bad_input(error, cause)
    elif isinstance(cause, InputValidationError):
        formatted = _describe_problems([FieldProblem(".".join(detail.location), detail.message) for detail in cause.errors])
    elif isinstance(cause, TillstreamError):
        formatted = describe(cause)
    elif isinstance(cause, StrawberryInputCoercionError) or cause is error:
        formatted = describe(InvalidInputError(error.message))
    else:
        formatted = describe_fault(cause, request_id, where=".".join(map(str, error.path or ())))
    if error.locations:
        formatted["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    return formatted


def describe(error: TillstreamError) -> FormattedError:
    """An error of ours that belongs to no place in a document."""
    return {"message": _presentable(error.message), "extensions": error.extensions()}


def describe_fault(cause: BaseException, request_id: str, *, where: str = "") -> FormattedError:
    """INTERNAL: logs the traceback of what went wrong under the request id, and tells the client that id alone."""
    _log.error("internal error, request %s%s", request_id, f", at {where}" if where else "", exc_info=cause)
    return {"message": "Internal error.", "extensions": {"code": "INTERNAL", "requestId": request_id}}


def encode_errors(errors: Sequence[FormattedError]) -> bytes:
    """A whole response of a request that was not executed: it has `errors` and no `data`."""
    return orjson.dumps({"errors": errors})


def refusal(error: TillstreamError) -> bytes:
    """A whole response that says just this one error."""
    return encode_errors([describe(error)])


def http_status(errors: Sequence[Mapping[str, Any]], *, executed: bool) -> int:
    """The HTTP status of a response of type application/graphql-response+json (GraphQL over HTTP, "Status Codes").

    `executed`: the response has a `data` entry, be it null. Then it is 200, or 294 beside errors. A request that was not executed is 400,
    or what its errors' code says where they all have the same.
    """
    if executed:
        return PARTIAL_SUCCESS if errors else 200
    codes = {error["extensions"]["code"] for error in errors}
    return _STATUS_OF_CODE.get(codes.pop(), _BAD_REQUEST) if len(codes) == 1 else _BAD_REQUEST


def _root_cause(error: GraphQLError) -> Exception:
    """What was raised first: graphql-core wraps errors in errors to add their places."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_bad_input(error: GraphQLError, cause: Exception) -> bool:
    """Whether it is about a variable, an argument or a literal, that is about a value before any of our functions saw it."""
    node = error.nodes[0] if error.nodes else None
    at_input = isinstance(node, (VariableDefinitionNode, ValueNode, ObjectFieldNode, ArgumentNode))
    return at_input and isinstance(cause, (GraphQLError, *_REFUSALS_BY_SCALARS))


def _describe_bad_input(error: GraphQLError, cause: Exception) -> FormattedError:
    path = _input_path(error)
    if isinstance(cause, TillstreamError):
        if not isinstance(cause, InvalidInputError):
            return describe(cause)
        message = cause.message
    elif isinstance(error.original_error, GraphQLError):
        message = error.original_error.message
    else:
        message = error.message
    return _describe_problems([FieldProblem(path, message)]) if path else describe(InvalidInputError(message))


def _describe_problems(problems: Sequence[FieldProblem]) -> FormattedError:
    """One error for all problems of an input; the message names each with its path."""
    shown = [FieldProblem(_presentable(problem.path), _presentable(problem.message)) for problem in problems]
    return describe(InvalidInputError("; ".join(f"{problem.path}: {problem.message}" for problem in shown), shown))


def _input_path(error: GraphQLError) -> str:
    """Where the bad value stands, as the client wrote it (`input.items.0.quantity`), or the empty string."""
    node = error.nodes[0] if error.nodes else None
    if isinstance(node, VariableDefinitionNode):
        path = [node.variable.name.value]
        place = _AT_PATH.match(error.message)
        if place:
            path += [name or index for name, index in _STEP.findall(place.group(1))]
    else:
        path = argument_path(node) if node else []
    named = None if isinstance(node, (ObjectFieldNode, ArgumentNode)) else _NAMED_FIELD.search(error.message)
    return ".".join([*path, named.group(1)] if named and path else path)


def _presentable(message: str) -> str:
    """The message, cut where it is long, and without lone surrogates, which no JSON can carry."""
    shown = message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"
    return shown.encode("utf-8", "replace").decode()
