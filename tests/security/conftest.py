"""The whole application as strangers meet it: in production, with limits as they are by default, or lower."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import strawberry

from datastore.rate_limits import Limiter
from datastore.settings import Settings
from gql.app import create_app
from gql.schema import build_schema
from gql.service import GraphQLService
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.serving import serving_app

ORIGIN = "https://shop.example"
KEY_REQUESTS = 5
USER_COST = 100_000


@dataclass(frozen=True)
class Site:
    """A server, and a client of it at one address."""

    url: str
    client: httpx.AsyncClient
    services: Services
    api: Api
    """The same database without a transport and without its limits: what is there before a test begins is made by it."""

    async def post(self, document: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """The answer to an operation."""
        named = {"Accept": "application/graphql-response+json", **headers}
        return await self.client.post("/graphql", json={"query": document, "variables": variables}, headers=named)

    async def codes(self, document: str, variables: dict[str, Any] | None = None, **headers: str) -> list[str]:
        """The codes of the errors that an operation is answered with."""
        answer: dict[str, Any] = (await self.post(document, variables, **headers)).json()
        return [error["extensions"]["code"] for error in answer.get("errors", [])]

    async def sign_up(self, email: str) -> Person:
        """A new person."""
        return await self.api.sign_up(email)


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    """The schema, built once."""
    return build_schema()


@pytest.fixture
def production(settings: Settings) -> Settings:
    """The settings that strangers meet."""
    defaults = Settings()
    changed = {name: getattr(defaults, name) for name in ("address_limits", "max_anonymous_cost_per_minute")}
    return settings.model_copy(
        update={
            "env": "production",
            "sign_up": "open",
            "allowed_origins": (ORIGIN,),
            "max_key_requests_per_minute": KEY_REQUESTS,
            "max_cost_per_minute": USER_COST,
        }
        | changed
    )


@pytest.fixture
async def site(api: Api, services: Services, production: Settings, schema: strawberry.Schema) -> AsyncIterator[Site]:
    """A server in production, on an empty database."""
    strict = replace(services, settings=production, limiter=Limiter(services.database))
    app = create_app(GraphQLService(schema, strict), strict)
    async with serving_app(app, production) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield Site(url, client, strict, api)


@pytest.fixture
async def ada(site: Site) -> Person:
    """Somebody with a business."""
    return await site.sign_up("ada@example.org")
