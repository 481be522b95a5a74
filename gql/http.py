"""GraphQL over HTTP: GET and POST at one URL (https://http-spec.graphql.org/, edition of September 2026).

Where that edition and the audits of npm's graphql-http differ we follow both as far as they allow: a request that cannot be carried out is
400 (the edition would like 422 for some), and application/json is what a client gets that asks for nothing in particular.

Cross-site request forgery: nothing here rests on a cookie, and a POST must be application/json, which a foreign page cannot send without a
preflight.
"""

import asyncio
import math
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from datastore.errors import InvalidInputError, RateLimitedError, TillstreamError, UnauthenticatedError
from datastore.settings import Settings
from gql.bodies import params_of_body, params_of_query_string
from gql.errors import PARTIAL_SUCCESS, describe, describe_fault, encode_errors, http_status, refusal
from gql.media_types import GRAPHQL_RESPONSE, JSON, is_json, response_type
from gql.request_headers import idempotency_key_of, request_id_of
from gql.wire import Caller, GraphQLParams, OperationT, Payload, RequestRefused, Service

_ALLOWED: Final = {"Allow": "GET, POST"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_TOO_MANY_REQUESTS: Final = 429
_WATCH_AFTER_SECONDS: Final = 0.02
# What application/json, whose status says no more than that a GraphQL response follows, makes 200 of (specification, appendix A).
_SOFTENED: Final = frozenset({400, PARTIAL_SUCCESS})


def graphql_routes(service: Service[OperationT], settings: Settings, path: str = "/graphql") -> list[BaseRoute]:
    """What answers queries and mutations, for all HTTP methods."""
    return [Route(path, _Endpoint(service, settings), name="graphql")]


class _RefusedHTTP(Exception):  # noqa: N818  It is an answer like any other, not a fault
    """A request that is no GraphQL request, or that may not be made: answered with this status whatever the media type."""

    def __init__(self, status: int, error: TillstreamError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})


class _ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class _Endpoint(Generic[OperationT]):
    def __init__(self, service: Service[OperationT], settings: Settings) -> None:
        self._service = service
        self._max_body_bytes = settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = request_id_of(request.headers)
        media_type = response_type(", ".join(request.headers.getlist("accept")))
        try:
            answer = await self._answer(request, request_id, media_type)
        except (ClientDisconnect, _ClientLeftError):
            return
        except Exception as error:  # noqa: BLE001  Logged, with its traceback, by describe_fault: the last line of defence
            answer = _Answer(500, encode_errors([describe_fault(error, request_id)]))
        await _respond(answer, request_id, media_type or JSON)(scope, receive, send)

    async def _answer(self, request: Request, request_id: str, media_type: str | None) -> _Answer:
        try:
            if media_type is None:
                raise _RefusedHTTP(406, InvalidInputError(f"This answers with {GRAPHQL_RESPONSE} or {JSON}: accept one of them."))
            answer = await self._execute(request, request_id)
        except _RefusedHTTP as refused:
            return _Answer(refused.status, refusal(refused.error), refused.headers)
        except TillstreamError as error:
            return _refused(error)
        if media_type == JSON and answer.status in _SOFTENED:
            return _Answer(200, answer.body, answer.headers)
        return answer

    async def _execute(self, request: Request, request_id: str) -> _Answer:
        """The answer to a well-formed request, as application/graphql-response+json has it."""
        params = await self._params(request)
        key = idempotency_key_of(request.headers)
        principal = await self._service.authenticate(request.headers.get("authorization"))
        try:
            operation = self._service.prepare(params)
        except RequestRefused as refused:
            return _Answer(http_status(refused.errors, executed=False), encode_errors(refused.errors))
        _check_kind(operation.kind, request.method)
        caller = Caller(principal, request_id, key, request.headers.get("user-agent"))
        execution = self._service.execute(operation, params, caller)
        # A mutation under way is finished although its client left: the server never stops it half-way.
        payload = await (execution if operation.kind == "mutation" else _while_connected(execution, request.receive))
        return _Answer(payload.status, payload.body, _retry_after(payload))

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


def _check_kind(kind: str, method: str) -> None:
    if kind == "subscription":
        raise InvalidInputError("Subscriptions are carried by a websocket at this URL, with the subprotocol graphql-transport-ws.")
    if kind == "mutation" and method != "POST":
        raise _RefusedHTTP(405, InvalidInputError("A mutation must be a POST."), {"Allow": "POST"})


async def _while_connected(work: Awaitable[Payload], receive: Receive) -> Payload:
    """The result of the work, which is cancelled when the client goes. Raises _ClientLeftError then.

    Nobody looks before a moment has passed: most work is done by then, and a look-out is a task that costs a tenth of it.
    """
    this, loop = asyncio.current_task(), asyncio.get_running_loop()
    lookouts: list[asyncio.Task[None]] = []
    timer = loop.call_later(_WATCH_AFTER_SECONDS, lambda: lookouts.append(loop.create_task(_disconnection(receive, this))))
    try:
        return await work
    except asyncio.CancelledError:
        if this is None or not any(lookout.done() for lookout in lookouts) or this.uncancel() > 0:
            raise  # It is the server that stops.
        raise _ClientLeftError from None
    finally:
        timer.cancel()
        for lookout in lookouts:
            lookout.cancel()
            await asyncio.wait({lookout})


async def _disconnection(receive: Receive, task: asyncio.Task[Any] | None) -> None:
    """Cancels the task when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()


def _refused(error: TillstreamError) -> _Answer:
    """The answer where the whole request is refused before anything was executed."""
    headers = _CHALLENGE if isinstance(error, UnauthenticatedError) else {}
    if isinstance(error, RateLimitedError):
        headers = {"Retry-After": _whole_seconds(error.retry_after)}
    return _Answer(http_status([describe(error)], executed=False), refusal(error), headers)


def _retry_after(payload: Payload) -> dict[str, str]:
    if payload.status != _TOO_MANY_REQUESTS:
        return {}
    errors = orjson.loads(payload.body)["errors"]
    return {"Retry-After": _whole_seconds(max(error["extensions"].get("retryAfter", 1) for error in errors))}


def _whole_seconds(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))


def _respond(answer: _Answer, request_id: str, media_type: str) -> Response:
    headers = {
        "Content-Type": f"{media_type}; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Request-Id": request_id,
    }
    return Response(answer.body, answer.status, headers | answer.headers)
