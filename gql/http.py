"""GraphQL over HTTP: GET and POST at one URL (https://http-spec.graphql.org/, edition of September 2026).

Where that edition and the audits of npm's graphql-http differ we follow both as far as they allow: a request that cannot be carried out is
400 (the edition would like 422 for some), and application/json is what a client gets that asks for nothing in particular.

Cross-site request forgery: nothing here rests on a cookie, and a POST must be application/json, which a foreign page cannot send without a
preflight.
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Generic

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from datastore.errors import InvalidInputError, RateLimitedError, TillstreamError, UnauthenticatedError
from datastore.settings import Settings
from gql.addresses import address_of
from gql.bodies import params_of_body, params_of_query_string
from gql.disconnection import ClientLeftError, while_connected
from gql.errors import PARTIAL_SUCCESS, describe, describe_fault, encode_errors, http_status, refusal
from gql.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, MULTIPART, is_json, response_type, stream_type
from gql.multipart import Multipart
from gql.request_headers import idempotency_key_of, request_id_of
from gql.sse import EventStream, whole_stream
from gql.streaming import KEEP_ALIVE_SECONDS, STALLED_SECONDS, Framing, Streaming
from gql.wire import Caller, GraphQLParams, OperationKind, OperationT, Payload, RequestRefused, Service

_ALLOWED: Final = {"Allow": "GET, POST"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_TOO_MANY_REQUESTS: Final = 429
# What application/json, whose status says no more than that a GraphQL response follows, makes 200 of (specification, appendix A).
_SOFTENED: Final = frozenset({400, PARTIAL_SUCCESS})
_FRAMINGS: Final[Mapping[str, Framing]] = {EVENT_STREAM: EventStream(), MULTIPART: Multipart()}


def graphql_routes(
    service: Service[OperationT],
    settings: Settings,
    path: str = "/graphql",
    *,
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    stalled_seconds: float = STALLED_SECONDS,
) -> list[BaseRoute]:
    """What answers all operations, for all HTTP methods: subscriptions as server-sent events or in parts.

    A stream sends something every `keep_alive_seconds`, and is cut where its client takes nothing for `stalled_seconds`.
    """
    return [Route(path, _Endpoint(service, settings, keep_alive_seconds, stalled_seconds), name="graphql")]


class _RefusedHTTP(Exception):  # noqa: N818  It is an answer like any other, not a fault
    """A request that is no GraphQL request, or that may not be made: answered with this status whatever the media type."""

    def __init__(self, status: int, error: TillstreamError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class _Subscription:
    """An answer that goes on."""

    payloads: AsyncGenerator[Payload, None]
    framing: Framing


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What the client takes: for one result, and for a stream of them."""

    response: str | None
    stream: str | None

    @property
    def plain(self) -> str:
        """The type of an answer that is no stream, such as every one whose status says that the request is refused."""
        return GRAPHQL_RESPONSE if self.response == GRAPHQL_RESPONSE else JSON


class _Endpoint(Generic[OperationT]):
    def __init__(self, service: Service[OperationT], settings: Settings, keep_alive_seconds: float, stalled_seconds: float) -> None:
        self._service = service
        self._max_body_bytes = settings.max_body_bytes
        self._keep_alive_seconds = keep_alive_seconds
        self._stalled_seconds = stalled_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = request_id_of(request.headers)
        try:
            answer = await self._answer(request, request_id)
        except (ClientDisconnect, ClientLeftError):
            return
        except Exception as error:  # noqa: BLE001  Logged, with its traceback, by describe_fault: the last line of defence
            answer = _Answer(500, encode_errors([describe_fault(error, request_id)]))
        if isinstance(answer, _Answer):
            await _respond(answer, request_id)(scope, receive, send)
            return
        streaming = Streaming(
            answer.framing, send, request_id, keep_alive_seconds=self._keep_alive_seconds, stalled_seconds=self._stalled_seconds
        )
        with suppress(ClientLeftError):
            await streaming.respond(answer.payloads, scope, receive)

    async def _answer(self, request: Request, request_id: str) -> _Answer | _Subscription:
        accept = ", ".join(request.headers.getlist("accept"))
        accepted = _Accepted(response_type(accept), stream_type(accept))
        try:
            if accepted.response is None and accepted.stream is None:
                raise _not_acceptable()
            return await self._execute(request, request_id, accepted)
        except _RefusedHTTP as refused:
            return _Answer(refused.status, refusal(refused.error), refused.headers, accepted.plain)
        except TillstreamError as error:
            return _refused(error, accepted.plain)

    async def _execute(self, request: Request, request_id: str, accepted: _Accepted) -> _Answer | _Subscription:
        """The answer to a well-formed request."""
        params = await self._params(request)
        key = idempotency_key_of(request.headers)
        principal = await self._service.authenticate(request.headers.get("authorization"))
        caller = Caller(principal, request_id, key, request.headers.get("user-agent"), address_of(request.scope))
        try:
            operation = self._service.prepare(params, caller)
        except RequestRefused as refused:
            return _typed(_Answer(http_status(refused.errors, executed=False), encode_errors(refused.errors)), accepted)
        _check_kind(operation.kind, request.method, accepted)
        if operation.kind == "subscription":
            return _Subscription(self._service.subscribe(operation, params, caller), _FRAMINGS[str(accepted.stream)])
        execution = self._service.execute(operation, params, caller)
        # A mutation under way is finished although its client left: the server never stops it half-way.
        payload = await (execution if operation.kind == "mutation" else while_connected(execution, request.receive))
        return _typed(_Answer(payload.status, payload.body, _retry_after(payload)), accepted)

    async def _params(self, request: Request) -> GraphQLParams:
        if request.method == "GET":
            return params_of_query_string(request.scope["query_string"])
        if request.method != "POST":
            raise _RefusedHTTP(405, InvalidInputError("GraphQL requests are GET or POST."), _ALLOWED)
        if not is_json(request.headers.get("content-type")) or request.headers.get("content-encoding", "identity") != "identity":
            raise _RefusedHTTP(415, InvalidInputError(f"Send the request as {JSON} in UTF-8, not compressed."))
        return params_of_body(await self._body(request))

    async def _body(self, request: Request) -> bytes:
        """The body, refused as soon as it is known to be too long."""
        too_long = _RefusedHTTP(413, InvalidInputError(f"The request is longer than {self._max_body_bytes} bytes."))
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_body_bytes:
            raise too_long
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise too_long
        return bytes(body)


def _check_kind(kind: OperationKind, method: str, accepted: _Accepted) -> None:
    if kind == "subscription":
        if accepted.stream is None:
            raise InvalidInputError(
                f"Subscriptions are carried by a websocket at this URL, with the subprotocol graphql-transport-ws, by {EVENT_STREAM} and by"
                f" {MULTIPART};subscriptionSpec=1.0: accept one of these by name."
            )
        return
    if kind == "mutation" and method != "POST":
        raise _RefusedHTTP(405, InvalidInputError("A mutation must be a POST."), {"Allow": "POST"})
    if accepted.response is None:
        raise _not_acceptable()


def _not_acceptable() -> _RefusedHTTP:
    return _RefusedHTTP(406, InvalidInputError(f"This answers with {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}: accept one of them."))


def _typed(answer: _Answer, accepted: _Accepted) -> _Answer:
    """A GraphQL response, made for application/graphql-response+json, as the media type has it that the client takes."""
    if accepted.response == EVENT_STREAM:
        return _Answer(200, whole_stream(answer.body), answer.headers, EVENT_STREAM)
    softened = accepted.response == JSON and answer.status in _SOFTENED
    return replace(answer, status=200 if softened else answer.status, media_type=accepted.plain)


def _refused(error: TillstreamError, media_type: str) -> _Answer:
    """The answer where the whole request is refused before anything was executed."""
    headers = _CHALLENGE if isinstance(error, UnauthenticatedError) else {}
    if isinstance(error, RateLimitedError):
        headers = {"Retry-After": _whole_seconds(error.retry_after)}
    return _Answer(http_status([describe(error)], executed=False), refusal(error), headers, media_type)


def _retry_after(payload: Payload) -> dict[str, str]:
    if payload.status != _TOO_MANY_REQUESTS:
        return {}
    errors = orjson.loads(payload.body)["errors"]
    return {"Retry-After": _whole_seconds(max(error["extensions"].get("retryAfter", 1) for error in errors))}


def _whole_seconds(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))


def _respond(answer: _Answer, request_id: str) -> Response:
    headers = {
        "Content-Type": f"{answer.media_type}; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Request-Id": request_id,
    }
    return Response(answer.body, answer.status, headers | answer.headers)
