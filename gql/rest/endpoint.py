"""One address of the REST API: authenticates, checks what was sent, carries out its routes, and answers."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from datastore.errors import InvalidInputError, TillstreamError
from datastore.versions import Version
from gql.budgets import Budget, Left
from gql.disconnection import ClientLeftError, while_connected
from gql.request_headers import idempotency_key_of, request_id_of
from gql.rest.downloads import send_download, takes_gzip
from gql.rest.problems import Problem, fault_response, problem_response
from gql.rest.requests import access_for, body_of, key_of, query_of, upload_of
from resolvers.api_keys import KeyUses
from resolvers.auth import KeyAccess
from resolvers.rest_transfers import MOST_BYTES
from resolvers.routes import Download, Route, RouteContext
from resolvers.services import Services

_CREATED: Final = 201


class Endpoint:
    """The routes of one path, by their methods. `committed` is told the version of each mutation."""

    def __init__(
        self, services: Services, routes: Sequence[Route], uses: KeyUses, budget: Budget, committed: Callable[[Version], None]
    ) -> None:
        self._services = services
        self._uses = uses
        self._budget = budget
        self._committed = committed
        self._routes: dict[str, Route] = {route.method: route for route in routes}
        if "GET" in self._routes:
            self._routes["HEAD"] = self._routes["GET"]
        self._allow = ", ".join([*self._routes, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        request_id = request_id_of(request.headers)
        shown: list[KeyAccess] = []
        try:
            response = await self._answer(request, request_id, send, shown)
        except (ClientDisconnect, ClientLeftError):
            response = None
        except Problem as problem:
            response = problem_response(problem, request_id)
        except TillstreamError as error:
            response = problem_response(Problem.of(error), request_id)
        except Exception as error:  # noqa: BLE001  Logged, with its traceback, by fault_response: the last line of defence
            response = fault_response(error, request_id)
        if response is not None:
            await response(scope, receive, send)
        for access in shown:  # The client has its answer, and waits for nothing.
            await self._uses.note(access)

    async def _answer(self, request: Request, request_id: str, send: Send, shown: list[KeyAccess]) -> Response | None:
        """The answer; None where it has been sent. The key that is good for it is put into `shown`."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": self._allow})
        route = self._routes.get(request.method)
        if route is None:
            raise Problem(405, InvalidInputError(f"Here the methods are {self._allow}."), {"Allow": self._allow})
        key = key_of(request)
        access = await access_for(self._services, key, route)
        shown.append(access)
        left = self._budget.spend(access.key_id, 1)
        arguments = await self._arguments(request, route)
        idempotency_key = idempotency_key_of(request.headers)
        ctx = RouteContext(self._services, key, access, idempotency_key=idempotency_key, committed=self._committed)
        return await self._carry_out(route, route.function(ctx, **arguments), request, self._headers(request_id, left), send)

    async def _arguments(self, request: Request, route: Route) -> dict[str, Any]:
        arguments: dict[str, Any] = {name: request.path_params[name] for name in route.places}
        query = query_of(request, route.query)
        if query is not None:
            arguments["query"] = query
        if route.body is not None:
            arguments["body"] = await body_of(request, route.body, self._services.settings.max_body_bytes)
        if route.uploads:
            arguments["upload"] = upload_of(request, route.media_types, MOST_BYTES)
        return arguments

    async def _carry_out(self, route: Route, work: Any, request: Request, headers: dict[str, str], send: Send) -> Response | None:
        # What writes is finished although its client left: the server never stops it half-way.
        answer = await (work if route.method == "POST" else while_connected(work, request.receive))
        if isinstance(answer, Download):
            compressed = takes_gzip(request.headers.get("accept-encoding", ""))
            await send_download(answer, headers, compressed=compressed, scope=request.scope, receive=request.receive, send=send)
            return None
        return Response(
            answer.model_dump_json(by_alias=True),
            route.status,
            {**headers, **_links(request, route, answer), "Content-Type": "application/json"},
        )

    def _headers(self, request_id: str, left: Left) -> dict[str, str]:
        """What every answer has; of the key's limit as draft-ietf-httpapi-ratelimit-headers-10 has it."""
        limit = self._budget.limit
        return {
            "Cache-Control": "no-store",
            "X-Request-Id": request_id,
            "RateLimit-Policy": f'"key";q={limit.count};w={limit.seconds:.0f}',
            "RateLimit": f'"key";r={left.count};t={math.ceil(left.full_in)}',
        }


def _links(request: Request, route: Route, answer: BaseModel) -> dict[str, str]:
    """Where to go on from an answer: the next page (RFC 8288), or what was made."""
    if route.status == _CREATED:
        return {"Location": f"{request.url.path}/{getattr(answer, 'id', '')}"}
    cursor = getattr(answer, "next_cursor", None)
    if cursor is None:
        return {}
    query = urlencode({**request.query_params, "cursor": cursor})
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
