"""Calling queries and mutations from outside of any request: what actions and crons do everything in the database with."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from datastore.database import SnapshotLostError
from datastore.scope import Scope
from datastore.versions import BEGINNING
from resolvers.exports import RowSource
from resolvers.functions import marking_by_context
from resolvers.runs import Run
from resolvers.services import Services

T = TypeVar("T")
P = ParamSpec("P")


class Calls:
    """Carries out functions for one person in one account, each on a snapshot that has all that these calls have written before."""

    def __init__(self, services: Services, scope: Scope) -> None:
        self._services = services
        self._floor = BEGINNING
        self.scope = scope

    async def query(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """What a function that reads returns; all of it is from one moment."""
        for last in (False, True):
            ctx = Run(self._services, self.scope, floor=self._floor).query_context(marking_by_context(function))
            try:
                return await function(ctx, **arguments)
            except SnapshotLostError:
                if last:
                    raise
        raise AssertionError

    async def mutate(
        self, function: Callable[..., Awaitable[T]], /, *, idempotency_key: str | None = None, step: str = "", **arguments: Any
    ) -> T:
        """Carries out a mutation, marked or internal, as one transaction; under an idempotency key once for each step."""
        run = Run(self._services, self.scope, floor=self._floor, idempotency_key=idempotency_key)
        result: T = await run.mutate(function, marking_by_context(function), arguments, step or function.__name__)
        self._floor = run.committed or self._floor
        return result

    def stream(
        self, function: Callable[Concatenate[RowSource, P], AsyncGenerator[T, None]], *arguments: P.args, **named: P.kwargs
    ) -> AsyncGenerator[T, None]:
        """What a function that reads a long list gives, in batches (`resolvers/exports.py`)."""
        return function(RowSource(self._services.database, self.scope), *arguments, **named)
