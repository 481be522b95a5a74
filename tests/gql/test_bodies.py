"""Hostile JSON, and requests of the wrong shape, without a transport."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from gql.bodies import (
    MAX_DEPTH,
    ProtocolError,
    SocketMessage,
    decode_json,
    graphql_params,
    params_of_body,
    params_of_query_string,
    socket_message,
    subscribe_params,
)
from gql.wire import GraphQLParams

MALFORMED = {
    "nothing": b"",
    "not JSON": b"{",
    "two values": b"{} {}",
    "bad UTF-8": b'{"query":"\xff"}',
    "overlong UTF-8": b'{"query":"\xc0\xaf"}',
    "UTF-16": '{"query":"{a}"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"query":"{a}"}',
    "a lone surrogate": b'{"query":"\\ud800"}',
    "a surrogate in UTF-8": b'{"query":"\xed\xa0\x80"}',
    "NaN": b'{"query":"{a}","variables":{"x":NaN}}',
    "Infinity": b'{"query":"{a}","variables":{"x":Infinity}}',
    "a number beyond any float": b'{"query":"{a}","variables":{"x":1e999}}',
    "an integer of 5,000 digits": b'{"query":"{a}","variables":{"x":' + b"9" * 5000 + b"}}",
    "100,000 nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "100,000 open arrays": b"[" * 100_000,
    "500 nested objects": b'{"query":"{a}","variables":' + b'{"a":' * 500 + b"1" + b"}" * 501,
    "a name twice": b'{"query":"{a}","query":"{b}"}',
    "a name twice, deeper": b'{"query":"{a}","variables":{"x":[{"y":1,"y":1}]}}',
    "a name twice, once escaped": b'{"query":"{a}","qu\\u0065ry":"{b}"}',
}

WRONG_SHAPES: dict[str, Any] = {
    "null": None,
    "a number": 7,
    "a string": "x",
    "a list": [1, 2],
    "a batch": [{"query": "{a}"}],
    "no query": {},
    "query null": {"query": None},
    "query a number": {"query": 1},
    "query a list": {"query": ["{a}"]},
    "variables a list": {"query": "{a}", "variables": [7]},
    "variables a text": {"query": "{a}", "variables": "{}"},
    "operationName a number": {"query": "{a}", "operationName": 1},
    "operationName an object": {"query": "{a}", "operationName": {}},
    "extensions a number": {"query": "{a}", "extensions": 1},
    "extensions false": {"query": "{a}", "extensions": False},
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        params_of_body(body)


@pytest.mark.parametrize("value", WRONG_SHAPES.values(), ids=WRONG_SHAPES.keys())
def test_a_request_of_the_wrong_shape_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError):
        params_of_body(json.dumps(value).encode())


def test_a_refused_parameter_is_named() -> None:
    with pytest.raises(InvalidInputError, match="variables: must be an object") as refused:
        graphql_params({"query": "{a}", "variables": 3})
    assert [problem.path for problem in refused.value.fields] == ["variables"]


def test_a_batch_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="Batches"):
        params_of_body(b'[{"query":"{a}"}]')


def test_a_whole_request_is_decoded() -> None:
    body = b'{"query":"query A{a}","operationName":"A","variables":{"x":[1,2.5,"\\u00e9",null]},"extensions":{"e":{}},"other":1}'
    assert params_of_body(body) == GraphQLParams("query A{a}", {"x": [1, 2.5, "é", None]}, "A", {"e": {}})


def test_null_and_nothing_are_the_same_for_optional_parameters() -> None:
    nulls = b'{"query":"{a}","operationName":null,"variables":null,"extensions":null}'
    assert params_of_body(nulls) == params_of_body(b'{"query":"{a}"}') == GraphQLParams("{a}")


@pytest.mark.parametrize("number", [-(1 << 63) - 1, 1 << 64, 10**300, -(10**300)])
def test_an_integer_beyond_64_bits_is_a_float(number: int) -> None:
    decoded = decode_json(str(number))
    assert (type(decoded), decoded) == (float, float(number))


@pytest.mark.parametrize(("depth", "refused"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True)])
def test_nesting_has_a_limit(depth: int, *, refused: bool) -> None:
    text = "[" * depth + "]" * depth
    if refused:
        with pytest.raises(InvalidInputError, match="nested"):
            decode_json(text)
    else:
        assert decode_json(text) == json.loads(text)


def test_many_brackets_in_a_string_are_no_nesting() -> None:
    assert decode_json(json.dumps("{[" * 1000)) == "{[" * 1000


NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()


@given(st.recursive(st.none() | st.booleans() | NUMBERS | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_any_json_is_decoded_or_refused_and_nothing_else(value: object) -> None:
    text = json.dumps(value)
    try:
        decoded = decode_json(text)
    except InvalidInputError:
        return
    assert decoded == value


@given(st.binary())
def test_any_bytes_are_decoded_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        params = params_of_body(body)
    except InvalidInputError:
        return
    assert isinstance(params, GraphQLParams)


@pytest.mark.parametrize(
    ("query_string", "params"),
    [
        (b"query=%7Ba%7D", GraphQLParams("{a}")),
        (b"query=%7B+a+%7D&operationName=", GraphQLParams("{ a }")),
        (b"query={a}&operationName=null", GraphQLParams("{a}", operation_name="null")),
        (b"query={a}&variables=&extensions=null", GraphQLParams("{a}")),
        (b"query={a}&variables=%7B%22x%22%3A%22%C3%A9%22%7D", GraphQLParams("{a}", {"x": "é"})),
        (b"query={a}&other=1", GraphQLParams("{a}")),
        (b"query", GraphQLParams("")),
    ],
)
def test_a_query_string_is_decoded(query_string: bytes, params: GraphQLParams) -> None:
    assert params_of_query_string(query_string) == params


@pytest.mark.parametrize(
    "query_string",
    [
        b"",
        b"variables={}",
        b"query=%ff",
        b"query=%ed%a0%80",
        b"query=\xc3\xa9",
        b"query={a}&query={b}",
        b"query={a}&variables=[1]",
        b"query={a}&variables=7",
        b"query={a}&variables={",
        b"query={a}&extensions=%22x%22",
        b"query={a}" + b"&x=1" * 1000,
    ],
)
def test_a_malformed_query_string_is_refused(query_string: bytes) -> None:
    with pytest.raises(InvalidInputError):
        params_of_query_string(query_string)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x",
        "null",
        "7",
        "[1]",
        "{}",
        '{"type":null}',
        '{"type":1}',
        '{"type":"next","id":"1"}',
        '{"type":"start","id":"1","payload":{"query":"{a}"}}',
        '{"type":"connection_ack"}',
        '{"type":"ping","payload":1}',
        '{"type":"connection_init","payload":"x"}',
        '{"type":"connection_init","payload":[]}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","id":1,"payload":{"query":"{a}"}}',
        '{"type":"subscribe","id":"","payload":{"query":"{a}"}}',
        '{"type":"subscribe","id":null,"payload":{"query":"{a}"}}',
        '{"type":"subscribe","id":"' + "x" * 10_000 + '","payload":{"query":"{a}"}}',
        '{"type":"complete"}',
        '{"type":"ping","type":"pong"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused(text: str | None) -> None:
    with pytest.raises(ProtocolError):
        socket_message(text)


@pytest.mark.parametrize("payload", ["null", "{}", '{"query":1}', '{"query":"{a}","variables":[]}', '{"query":"{a}","operationName":{}}'])
def test_a_subscribe_message_with_a_malformed_request_is_refused(payload: str) -> None:
    message = socket_message('{"type":"subscribe","id":"1","payload":' + payload + "}")
    with pytest.raises(ProtocolError):
        subscribe_params(message)


def test_messages_are_decoded() -> None:
    assert socket_message('{"type":"connection_init"}') == SocketMessage("connection_init", "", None)
    assert socket_message('{"type":"ping","payload":{"a":1},"more":2}') == SocketMessage("ping", "", {"a": 1})
    assert socket_message('{"id":"é","type":"complete"}') == SocketMessage("complete", "é", None)
