"""GraphQL over HTTP, on a real server."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from datastore.settings import Settings
from gql.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, MULTIPART, response_type, stream_type
from tests.gql.test_bodies import MALFORMED, WRONG_SHAPES
from tests.gql.tiny_service import TinyService, serving, until

MAX_BODY = 200_000


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[tuple[TinyService, str]]:
    service = TinyService()
    async with serving(service, Settings(env="test", max_body_bytes=MAX_BODY)) as served:
        yield service, served.address


@pytest.fixture
def tiny(served: tuple[TinyService, str]) -> TinyService:
    served[0].reset()
    return served[0]


@pytest.fixture
async def client(served: tuple[TinyService, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{served[1]}", headers={"Accept": GRAPHQL_RESPONSE}) as client:
        yield client


async def post(client: httpx.AsyncClient, body: object, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/graphql", content=json.dumps(body), headers={"Content-Type": JSON} | named)


def code_of(response: httpx.Response) -> str:
    body = response.json()
    assert "data" not in body
    return str(body["errors"][0]["extensions"]["code"])


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (JSON, JSON),
        (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
        (f"{JSON}, {GRAPHQL_RESPONSE};q=0.9", JSON),
        (f"{JSON};q=0.9, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};charset=utf-8, {JSON};charset=UTF-8", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};charset=utf-16, {JSON}", JSON),
        (f"{GRAPHQL_RESPONSE};q=0, */*;q=0.1", JSON),
        (f"{JSON};q=0, */*", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, */*;q=0.8", GRAPHQL_RESPONSE),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ('multipart/mixed;boundary="a,b", application/json', JSON),
        ("APPLICATION/JSON", JSON),
        ("text/html", None),
        ("text/event-stream", EVENT_STREAM),
        (f"{JSON}, {EVENT_STREAM}", JSON),
        (f"{EVENT_STREAM}, {JSON}", EVENT_STREAM),
        (f"{EVENT_STREAM}, */*", EVENT_STREAM),
        ("text/*", None),
        ("multipart/mixed;subscriptionSpec=1.0", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=nan", None),
        (f"{JSON};q=2", None),
        (f"{JSON};q=x", None),
        (",;,=,;q", None),
        ("*", None),
    ],
)
def test_the_media_type_is_what_the_client_likes_best(accept: str | None, chosen: str | None) -> None:
    assert response_type(accept) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("*/*", None),
        (JSON, None),
        ("text/*", None),
        (EVENT_STREAM, EVENT_STREAM),
        ("multipart/mixed", None),
        ('multipart/mixed;boundary="-";deferSpec=20220824', None),
        ("multipart/mixed;subscriptionSpec=2.0", None),
        ("multipart/mixed;subscriptionSpec=1.0", MULTIPART),
        (f'Multipart/Mixed; boundary=graphql; SubscriptionSpec="1.0", {GRAPHQL_RESPONSE}, {JSON};q=0.9', MULTIPART),
        (f"{EVENT_STREAM}, multipart/mixed;subscriptionSpec=1.0", EVENT_STREAM),
        (f"{EVENT_STREAM};q=0.5, multipart/mixed;subscriptionSpec=1.0", MULTIPART),
        (f"{EVENT_STREAM};q=0", None),
    ],
)
def test_a_subscription_is_streamed_only_to_who_names_a_stream(accept: str | None, chosen: str | None) -> None:
    assert stream_type(accept) == chosen


async def test_a_query_is_answered(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "query ($t: String) { hello echo(text: $t) }", "variables": {"t": "é"}})
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "world", "echo": "é"}}
    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"


async def test_a_get_is_answered(client: httpx.AsyncClient) -> None:
    parameters = {"query": "query A($t: String) { echo(text: $t) } query B { hello }", "variables": '{"t":"é"}', "operationName": "A"}
    response = await client.get("/graphql", params=parameters, headers={"Accept": JSON})
    assert response.json() == {"data": {"echo": "é"}}
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_malformed_json_is_400(client: httpx.AsyncClient, body: bytes, media_type: str) -> None:
    response = await client.post("/graphql", content=body, headers={"Content-Type": JSON, "Accept": media_type})
    assert (response.status_code, code_of(response)) == (400, "INVALID_INPUT")
    assert response.headers["content-type"].startswith(media_type)


@pytest.mark.parametrize("body", WRONG_SHAPES.values(), ids=WRONG_SHAPES.keys())
@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_a_request_of_the_wrong_shape_is_400(client: httpx.AsyncClient, body: object, media_type: str) -> None:
    response = await post(client, body, accept=media_type)
    assert (response.status_code, code_of(response)) == (400, "INVALID_INPUT")


@pytest.mark.parametrize("value", [2**63, 2**64, 10**300, -(10**30), 1.5, "7", True, [[[[1]]]], {"a": {"b": 1}}])
async def test_odd_values_of_variables_are_refused_by_name(client: httpx.AsyncClient, value: object) -> None:
    response = await post(client, {"query": "query ($of: Int) { count(of: $of) }", "variables": {"of": value}})
    assert (response.status_code, code_of(response)) == (400, "INVALID_INPUT")
    assert response.json()["errors"][0]["extensions"]["fields"][0]["path"] == "of"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{", 400),
        ("", 400),
        ("{ nope }", 400),
        ("query A { hello } query B { hello }", 400),
        ("{ hello", 400),
        ("{ refused hello }", 294),
        ("{ boom }", 294),
    ],
)
async def test_application_json_says_200_to_every_well_formed_request(client: httpx.AsyncClient, query: str, status: int) -> None:
    strict = await post(client, {"query": query})
    legacy = await post(client, {"query": query}, accept=JSON)
    assert (strict.status_code, legacy.status_code) == (status, 200)
    assert ("data" in strict.json()) == (status == 294)


async def test_a_fault_of_ours_names_the_request_that_the_log_names(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="tillstream"):
        response = await post(client, {"query": "{ boom }"}, x_request_id="till-7")
    assert response.json()["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": "till-7"}
    assert response.headers["x-request-id"] == "till-7"
    assert "secret" not in response.text
    assert "till-7" in caplog.text


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a;b", "<x>", "é".encode()])
async def test_a_request_id_that_is_not_plain_is_replaced(client: httpx.AsyncClient, sent: str | bytes) -> None:
    response = await client.get(
        "/graphql", params={"query": "{ whoami }"}, headers=[(b"x-request-id", sent.encode() if isinstance(sent, str) else sent)]
    )
    given = response.headers["x-request-id"]
    assert len(given) == 24
    assert given in response.json()["data"]["whoami"]


@pytest.mark.parametrize(
    ("method", "allowed"),
    [("PUT", "GET, POST"), ("DELETE", "GET, POST"), ("PATCH", "GET, POST"), ("OPTIONS", "GET, POST"), ("HEAD", "GET, POST")],
)
async def test_other_methods_are_405(client: httpx.AsyncClient, method: str, allowed: str) -> None:
    response = await client.request(method, "/graphql", params={"query": "{ hello }"})
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


async def test_a_mutation_by_get_is_405_and_not_carried_out(client: httpx.AsyncClient, tiny: TinyService) -> None:
    response = await client.get("/graphql", params={"query": "mutation { add }"})
    assert (response.status_code, response.headers["allow"], code_of(response)) == (405, "POST", "INVALID_INPUT")
    named = await client.get("/graphql", params={"query": "query A { hello } mutation B { add }", "operationName": "B"})
    assert (named.status_code, tiny.added) == (405, 0)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
async def test_a_subscription_is_400_and_told_of_the_websocket(client: httpx.AsyncClient, method: str, media_type: str) -> None:
    request = {"query": "subscription { news }"}
    response = await client.request(
        method,
        "/graphql",
        headers={"Accept": media_type},
        params=request if method == "GET" else None,
        json=request if method == "POST" else None,
    )
    assert (response.status_code, code_of(response)) == (400, "INVALID_INPUT")
    assert "graphql-transport-ws" in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/graphql"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_what_is_not_plain_json_is_415(client: httpx.AsyncClient, headers: dict[str, str], tiny: TinyService) -> None:
    response = await client.post("/graphql", content=b'{"query":"mutation { add }"}', headers=headers)
    assert (response.status_code, code_of(response), tiny.added) == (415, "INVALID_INPUT", 0)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON;Charset="UTF-8"'])
async def test_json_in_utf8_is_taken(client: httpx.AsyncClient, content_type: str) -> None:
    body = json.dumps({"query": '{ echo(text: "é") }'}, ensure_ascii=False).encode()
    response = await client.post("/graphql", content=body, headers={"Content-Type": content_type})
    assert response.json() == {"data": {"echo": "é"}}


async def test_a_client_that_takes_none_of_our_types_gets_406(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "{ hello }"}, accept="text/html")
    assert (response.status_code, code_of(response)) == (406, "INVALID_INPUT")
    assert response.headers["content-type"].startswith(JSON)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_long_body_is_413(client: httpx.AsyncClient, *, declared: bool) -> None:
    body = json.dumps({"query": "{ hello }" + " " * MAX_BODY}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    response = await client.post("/graphql", content=body if declared else chunks(), headers={"Content-Type": JSON})
    assert (response.status_code, code_of(response)) == (413, "INVALID_INPUT")


async def test_an_endless_body_is_refused_while_it_is_sent(client: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(MAX_BODY // 10_000 + 1):
        writer.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
    await writer.drain()
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("key", ["k", "0f4e~!", "x" * 255])
async def test_an_idempotency_key_reaches_the_service(client: httpx.AsyncClient, key: str) -> None:
    response = await post(client, {"query": "{ key }"}, idempotency_key=key)
    assert response.json() == {"data": {"key": key}}


@pytest.mark.parametrize("keys", [[b""], [b"x" * 256], [b"a b"], [b"\xc3\xa9"], [b"a", b"b"]])
async def test_a_malformed_idempotency_key_is_named(client: httpx.AsyncClient, keys: list[bytes]) -> None:
    headers = [(b"content-type", b"application/json"), *((b"idempotency-key", key) for key in keys)]
    response = await client.post("/graphql", content=b'{"query":"{ hello }"}', headers=headers)
    assert (response.status_code, code_of(response)) == (400, "INVALID_INPUT")
    assert response.json()["errors"][0]["extensions"]["fields"][0]["path"] == "Idempotency-Key"


async def test_credentials_reach_the_service(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "{ whoami }"}, authorization="Bearer good", x_request_id="r-1", user_agent="till/1")
    assert response.json() == {"data": {"whoami": "ann r-1 till/1"}}


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    ("authorization", "status", "code", "headers"),
    [
        ("Bearer bad", 401, "UNAUTHENTICATED", {"www-authenticate": 'Bearer error="invalid_token"'}),
        ("", 401, "UNAUTHENTICATED", {}),
        ("Bearer busy", 429, "RATE_LIMITED", {"retry-after": "3"}),
        ("Bearer down", 503, "UNAVAILABLE", {}),
        ("Bearer broken", 500, "INTERNAL", {}),
    ],
)
async def test_a_request_that_may_not_be_made_is_refused_as_a_whole(
    client: httpx.AsyncClient, media_type: str, authorization: str, status: int, code: str, headers: dict[str, str]
) -> None:
    response = await post(client, {"query": "{ hello }"}, authorization=authorization, accept=media_type)
    assert (response.status_code, code_of(response)) == (status, code)
    assert response.headers.items() >= headers.items()
    assert "secret" not in response.text


async def begin(client: httpx.AsyncClient, query: str, tiny: TinyService) -> asyncio.StreamWriter:
    """Sends a request whose field waits, and returns when it does."""
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await until(lambda: tiny.waiting == 1)
    return writer


async def test_a_client_that_leaves_cancels_its_query(client: httpx.AsyncClient, tiny: TinyService) -> None:
    writer = await begin(client, "{ held }", tiny)
    writer.close()
    await until(lambda: tiny.cancelled == 1)
    assert (await post(client, {"query": "{ hello }"})).status_code == 200


async def test_a_client_that_leaves_does_not_stop_its_mutation(client: httpx.AsyncClient, tiny: TinyService) -> None:
    writer = await begin(client, "mutation { heldAdd }", tiny)
    writer.close()
    await writer.wait_closed()
    assert (await post(client, {"query": "{ hello }"})).status_code == 200
    tiny.gate.set()
    await until(lambda: tiny.added == 1)
    assert tiny.cancelled == 0


async def test_a_client_that_leaves_amid_its_body_is_no_error(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await post(client, {"query": "{ hello }"})).status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_requests_at_once_are_kept_apart(client: httpx.AsyncClient) -> None:
    async def ask(number: int) -> Any:
        return (await post(client, {"query": "query ($of: Int) { count(of: $of) }", "variables": {"of": number}})).json()

    assert await asyncio.gather(*(ask(number) for number in range(30))) == [{"data": {"count": number}} for number in range(30)]
