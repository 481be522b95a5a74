"""The ASGI application and what lives around it: connections, the live engine, the answer to "are you ready?"."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from datastore.changes import ChangeStream
from datastore.cursors import Cursors
from datastore.database import Database
from datastore.errors import UnavailableError
from datastore.rate_limits import Limiter
from datastore.sealing import Digests
from datastore.secrets import resolve_secrets
from datastore.settings import Settings
from gql.dev_mail import dev_mail_routes
from gql.explorer import explorer_routes
from gql.http import graphql_routes
from gql.live import LiveEngine
from gql.live_contracts import Limits
from gql.metrics import metrics_endpoint
from gql.rest import rest_routes
from gql.schema import build_schema
from gql.security_headers import SecurityHeaders
from gql.service import GraphQLService
from gql.stripe_events import stripe_routes
from gql.websocket import websocket_routes
from resolvers.outside import open_outside
from resolvers.passwords import Passwords
from resolvers.services import Services
from resolvers.tokens import AccessTokens

_EXPOSED = ("X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy", "Link", "Location", "Content-Disposition")
READY_SECONDS = 2.0
"""How long `/readyz` waits for a server before it says no."""


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services, None]:
    """What the functions of the business need, on servers whose addresses the settings hold (see `datastore.embedded.servers`).

    Raises UnavailableError where a server does not answer.
    """
    secrets = resolve_secrets(settings)
    if settings.mongodb_uri is None:
        msg = "there is no MongoDB to use: set TILLSTREAM_MONGODB_URI, or run `tillstream dev`, which starts its own"
        raise UnavailableError(msg)
    async with AsyncExitStack() as stack:
        database = await Database.connect(settings.mongodb_uri, settings.mongodb_database)
        stack.push_async_callback(database.close)
        passwords = Passwords()
        stack.callback(passwords.close)
        yield Services(
            settings=settings,
            database=database,
            cursors=Cursors(secrets.secret),
            passwords=passwords,
            tokens=AccessTokens(secrets.signing_keys, settings.access_token_seconds),
            digests=Digests(secrets.secret, b"codes"),
            limiter=Limiter(database),
            outside=await stack.enter_async_context(open_outside(settings, secrets.secret)),
        )


@asynccontextmanager
async def open_service(services: Services) -> AsyncGenerator[GraphQLService, None]:
    """The schema on these services, with its live engine running."""
    service = GraphQLService(build_schema(), services)
    limits = _limits_of(services.settings)
    service.engine = LiveEngine(
        ChangeStream(services.database), service.execute_live, service.authorize_session, services.database.ping, limits
    )
    before, services.monitor.figures = services.monitor.figures, service.engine.figures
    service.engine.listeners.append(service.feed)
    await service.engine.start()
    try:
        yield service
    finally:
        services.monitor.figures = before
        await service.engine.stop()


def _limits_of(settings: Settings) -> Limits:
    per_network = max(1, round(settings.max_live_per_user * settings.address_limits)) if settings.address_limits > 0 else None
    return Limits(settings.max_live_per_user, settings.max_live_per_process, per_network)


def create_app(
    service: GraphQLService, services: Services, background: Mapping[str, Callable[[], bool]] = MappingProxyType({})
) -> Starlette:
    """The application of one process; any number of them may serve one database.

    `background` are the tasks that the process must have to be ready, by name: whether each goes on.
    """
    settings = services.settings
    routes: list[BaseRoute] = [
        *graphql_routes(service, settings),
        *websocket_routes(service, settings),
        Route("/healthz", _alive),
        Route("/readyz", _readiness(service, services, background)),
        Route("/metrics", metrics_endpoint(services)),
        *rest_routes(services, service.committed),
        *stripe_routes(services),
        *dev_mail_routes(settings, services.outside.mail.kept),
        Route("/.well-known/jwks.json", _published_keys(services)),
        *explorer_routes(),
    ]
    return Starlette(routes=routes, middleware=_middleware(settings))


def _middleware(settings: Settings) -> list[Middleware]:
    headers = Middleware(SecurityHeaders, https_only=settings.env == "production")
    if not settings.allowed_origins:
        return [headers]
    return [
        headers,
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"],
            expose_headers=_EXPOSED,
            max_age=600,
        ),
    ]


async def _alive(_request: Request) -> Response:
    """The process runs: what an orchestrator restarts it by."""
    return PlainTextResponse("ok\n")


def _published_keys(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def keys(_request: Request) -> Response:
        """The public keys by which others verify our access tokens (RFC 7517)."""
        headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
        return JSONResponse(services.tokens.jwks(), media_type="application/jwk-set+json", headers=headers)

    return keys


def _readiness(
    service: GraphQLService, services: Services, background: Mapping[str, Callable[[], bool]]
) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_request: Request) -> Response:
        """Whether requests can be answered and live results are fresh: what a proxy sends traffic by."""
        checks = {
            "database": await _answers(services.database.ping()),
            "files": await _answers(services.outside.blobs.ping()),
            "live": service.engine is not None and service.engine.ready,
            **{name: goes_on() for name, goes_on in background.items()},
        }
        return JSONResponse({"ready": all(checks.values()), "checks": checks}, status_code=200 if all(checks.values()) else 503)

    return ready


async def _answers(question: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(question, READY_SECONDS)
    except (UnavailableError, TimeoutError):
        return False
    return True
