"""Services beside the tests' own: one whose clock a test sets, and one like that of another process."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import strawberry

from datastore.secrets import resolve_secrets
from datastore.turns import Turns
from gql.schema import build_schema
from gql.service import GraphQLService
from resolvers.services import Services
from resolvers.tokens import AccessTokens
from tests.gql.api import Api

DAYS = 3650


@dataclass
class Clock:
    """The present instant, as a test says it."""

    now: datetime

    def set(self, moment: str) -> None:
        """Makes it that moment, UTC, as ISO 8601 writes it."""
        self.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        """The present instant."""
        return self.now


def clocked(services: Services, moment: str) -> tuple[Api, Clock]:
    """The public API, without live operations, and its clock, which shows this moment. Who signs up stays signed in, whatever it shows
    later.
    """
    clock = Clock(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    lasting = services.settings.model_copy(update={"refresh_token_days": DAYS, "access_token_seconds": DAYS * 86_400})
    tokens = AccessTokens(resolve_secrets(services.settings).signing_keys, lasting.access_token_seconds)
    fresh = replace(services, clock=clock, settings=lasting, tokens=tokens, turns=Turns())
    return Api(GraphQLService(_schema(), fresh), fresh), clock


def another_process(services: Services) -> Api:
    """The public API, without live operations, as a process has it that shares nothing with ours but the database."""
    fresh = replace(services, turns=Turns())
    return Api(GraphQLService(_schema(), fresh), fresh)


@cache
def _schema() -> strawberry.Schema:
    return build_schema()
