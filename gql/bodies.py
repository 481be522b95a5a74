"""Strict decoding of what clients send: request bodies, query strings and socket messages.

Whatever is malformed raises InvalidInputError (or ProtocolError, on a socket) with a message that says what is wrong. What is decoded is
safe to handle: nesting, integers and strings have limits that the rest of the program need not think of.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from datastore.errors import InvalidInputError
from gql.wire import GraphQLParams

# Deeper than any input type goes; recursive code (coercion, hashing, encoding) is safe with it.
MAX_DEPTH: Final = 64
MAX_ID_LENGTH: Final = 256
# query, variables, operationName and extensions, and some that we ignore, as the specification asks.
_MAX_QUERY_FIELDS: Final = 32

CLIENT_MESSAGES: Final = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})


class ProtocolError(Exception):
    """A socket message that graphql-transport-ws does not know: the socket is closed with 4400 and this message as its reason."""


@dataclass(frozen=True, slots=True)
class SocketMessage:
    """A message of a client, checked as far as its type alone demands. `id` is empty where the type has none."""

    type: str
    id: str
    payload: dict[str, Any] | None


def decode_json(text: bytes | str) -> Any:
    """The value of a JSON text (RFC 8259) that is also I-JSON (RFC 7493): valid UTF-8, no lone surrogates, no name twice in an object.

    Integers beyond 64 bits become floats, as RFC 8259 section 6 allows; beyond a float's range they are refused, like NaN and Infinity.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"Malformed JSON: {error}.") from None
    if _may_be_deep(text) and _is_deep(value):
        raise InvalidInputError(f"JSON is nested more than {MAX_DEPTH} levels deep.")
    # orjson keeps the last of two equal names silently, and a proxy may have looked at the first. It has checked all else.
    json.loads(text, object_pairs_hook=_refuse_repeated_names)
    return value


def graphql_params(value: object) -> GraphQLParams:
    """The request that a decoded body or subscribe payload holds. Properties that the specification does not name are ignored."""
    if isinstance(value, list):
        raise InvalidInputError("Batches (a JSON array of requests) are not taken: send each request by itself.")
    if not isinstance(value, dict):
        raise InvalidInputError("A GraphQL request is a JSON object with a `query`.")
    extensions = _map(value, "extensions")
    query = value.get("query")
    if query is None and "persistedQuery" in (extensions or {}):
        query = ""  # it is named instead
    if not isinstance(query, str):
        raise InvalidInputError.of("query", "must be a string that holds a GraphQL document.")
    name = value.get("operationName")
    if name is not None and not isinstance(name, str):
        raise InvalidInputError.of("operationName", "must be a string or null.")
    return GraphQLParams(query, _map(value, "variables"), name or None, extensions)


def params_of_body(body: bytes) -> GraphQLParams:
    """The request of a POST of type application/json."""
    if not body:
        raise InvalidInputError("The request has no body: send a JSON object with a `query`.")
    return graphql_params(decode_json(body))


def params_of_query_string(query_string: bytes) -> GraphQLParams:
    """The request of a GET: `variables` and `extensions` are JSON texts, and an empty parameter is one that was not sent."""
    try:
        fields = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MAX_QUERY_FIELDS
        )
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidInputError(f"The query string is not UTF-8, or has more than {_MAX_QUERY_FIELDS} parameters.") from None
    values: dict[str, object] = {}
    for name, text in fields:
        if name in values:
            raise InvalidInputError.of(name, "is given twice.")
        values[name] = text
    for name in ("variables", "extensions"):
        if name in values:
            values[name] = _decode_parameter(name, str(values[name]))
    return graphql_params(values)


def socket_message(text: str | None) -> SocketMessage:
    """The message of a text frame (None: the frame was binary). Raises ProtocolError."""
    if text is None:
        raise ProtocolError("Messages are text frames, not binary ones")
    try:
        value = decode_json(text)
    except InvalidInputError as error:
        raise ProtocolError(error.message) from None
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str):
        raise ProtocolError("A message is a JSON object with a type")
    if kind not in CLIENT_MESSAGES:
        raise ProtocolError("Unknown message type")
    payload = value.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise ProtocolError(f"The payload of {kind} must be an object")
    return SocketMessage(kind, _operation_id(value) if kind in {"subscribe", "complete"} else "", payload)


def subscribe_params(message: SocketMessage) -> GraphQLParams:
    """The request of a subscribe message. Raises ProtocolError."""
    try:
        return graphql_params(message.payload)
    except InvalidInputError as error:
        raise ProtocolError(error.message) from None


def _map(value: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    entry = value.get(name)
    if entry is not None and not isinstance(entry, dict):
        raise InvalidInputError.of(name, "must be an object or null.")
    return entry


def _decode_parameter(name: str, text: str) -> object:
    try:
        return decode_json(text) if text else None
    except InvalidInputError as error:
        raise InvalidInputError.of(name, error.message) from None


def _operation_id(message: Mapping[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise ProtocolError("The id must be a string that is not empty")
    if len(operation_id) > MAX_ID_LENGTH:
        raise ProtocolError(f"The id is longer than {MAX_ID_LENGTH} characters")
    return operation_id


def _refuse_repeated_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise InvalidInputError("Malformed JSON: an object has the same name twice.")
    return names


_OPENING_TEXT: Final = re.compile(r"[\[{]")
_OPENING_BYTES: Final = re.compile(rb"[\[{]")


def _may_be_deep(text: bytes | str) -> bool:
    """Whether it has enough brackets to be worth a walk; most requests have not."""
    brackets = _OPENING_BYTES.finditer(text) if isinstance(text, bytes) else _OPENING_TEXT.finditer(text)
    return any(count >= MAX_DEPTH for count, _ in enumerate(brackets))


def _is_deep(value: object) -> bool:
    """Walks level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: object) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
