"""The REST API under `/api/v1`: the routes of `resolvers`, carried out over HTTP for programs that show an API key.

Errors are `application/problem+json` (RFC 9457) with the codes of GraphQL; `openapi.json` describes all of it (OpenAPI 3.1).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from types import ModuleType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as PathRoute

from datastore.errors import NotFoundError
from datastore.rate_limits import Limit
from datastore.versions import Version
from gql.budgets import Budget
from gql.request_headers import request_id_of
from gql.rest.endpoint import Endpoint
from gql.rest.openapi import PREFIX, encoded_description
from gql.rest.problems import Problem, problem_response
from resolvers import rest, rest_transfers
from resolvers.api_keys import KeyUses
from resolvers.limits import MINUTE
from resolvers.routes import Route, route_of
from resolvers.services import Services

MODULES: tuple[ModuleType, ...] = (rest, rest_transfers)
"""Those whose marked functions are the routes."""


def rest_routes(services: Services, committed: Callable[[Version], None]) -> list[BaseRoute]:
    """What answers below `/api`. `committed` is told the version of each mutation."""
    routes = declared_routes()
    by_path: defaultdict[str, list[Route]] = defaultdict(list)
    for route in routes:
        by_path[route.path].append(route)
    uses = KeyUses(services)
    budget = Budget(Limit(services.settings.max_key_requests_per_minute, MINUTE))
    paths = [PathRoute(PREFIX + path, Endpoint(services, together, uses, budget, committed)) for path, together in by_path.items()]
    return [
        PathRoute(f"{PREFIX}/openapi.json", _description(encoded_description(routes)), methods=["GET"]),
        *paths,
        PathRoute("/api/{rest:path}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]


def declared_routes(modules: Iterable[ModuleType] = MODULES) -> list[Route]:
    """The routes that modules mark, in the order they define them."""
    return [
        route for module in modules for value in vars(module).values() if (route := route_of(value)) and value.__module__ == module.__name__
    ]


def _description(body: bytes) -> Callable[[Request], Response]:
    return lambda _request: Response(body, headers={"Content-Type": "application/json"})


async def _nothing(request: Request) -> Response:
    return problem_response(
        Problem(404, NotFoundError("There is no such address; /api/v1/openapi.json lists those there are.")), request_id_of(request.headers)
    )
