"""Routes: the kind of function that answers plain HTTP, for programs that call with an API key. They touch no database themselves.

A route is a plain typed async function whose first parameter is its `RouteContext`; `@route` says its method, path and the one right that a
key needs for it. The rest is in its signature: `query` is a model of the query string, `body` one of the JSON body, `upload` a body that
is read as it comes, and any other parameter a part of the path. What it returns is a model, or a `Download`. `gql/rest` carries routes
out, and describes them (OpenAPI) from the very same models.
"""

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, cast, get_type_hints

from pydantic import BaseModel

from datastore.database import SnapshotLostError
from datastore.schema_keys import KeyRight
from datastore.versions import BEGINNING, Version
from resolvers.auth import KeyAccess, authenticate_key
from resolvers.exports import RowSource
from resolvers.functions import Kind, Marking, QueryContext, marking_of
from resolvers.runs import Run
from resolvers.services import Services

T = TypeVar("T")
P = ParamSpec("P")
Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])

MARK: Final = "__tillstream_route__"
RECHECKED_SECONDS: Final = 5.0
"""How long work that goes on and on (an export, an import) trusts that its key is still good."""

_READ: Final = Marking(Kind.QUERY)
_INTERNAL: Final = Marking(Kind.MUTATION, in_turn=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is read as it comes. `media_type` is what its Content-Type says, without parameters."""

    media_type: str
    chunks: AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is made while it is sent, for the client to keep as a file; nothing is made before the first of it is asked for."""

    name: str
    media_type: str
    chunks: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Route:
    """What a function is as a route."""

    function: Callable[..., Awaitable[Any]]
    method: Literal["GET", "POST"]
    path: str
    right: KeyRight
    status: int
    media_types: tuple[str, ...]
    """Of its upload or of its download."""
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    uploads: bool
    places: tuple[str, ...]
    """The parameters that are parts of its path."""
    answer: Any
    """A model, or `Download`."""


class RouteContext:
    """What a route may do for one request: carry out queries and mutations, and read long lists to their end."""

    def __init__(
        self,
        services: Services,
        key: str,
        access: KeyAccess,
        *,
        idempotency_key: str | None = None,
        committed: Callable[[Version], None] = lambda _: None,
    ) -> None:
        self._services = services
        self._key = key
        self._access = access
        self._idempotency_key = idempotency_key
        self._committed = committed
        self._floor = BEGINNING
        self._mutations = 0
        self._checked = time.monotonic()

    async def query(self, function: Callable[Concatenate[QueryContext, P], Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
        """What a function that reads returns, on one snapshot that has all that this request has written."""
        for last in (False, True):
            ctx = Run(self._services, self._access.scope, floor=self._floor).query_context(_READ)
            try:
                return await function(cast("QueryContext", ctx), *arguments, **named)
            except SnapshotLostError:
                if last:
                    raise
        raise AssertionError

    async def mutate(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """Carries out a mutation as one transaction, marked or internal; or gives its first result again for the same idempotency key.

        An internal one must then return something that JSON holds. Raises UnauthenticatedError where the key was revoked meanwhile.
        """
        await self._recheck()
        run = Run(self._services, self._access.scope, floor=self._floor, idempotency_key=self._idempotency_key)
        # The keys of one person's programs are apart from each other, and from those that the person sends.
        place = f"{self._access.key_id}/{self._mutations}"
        result: T = await run.mutate(function, marking_of(function) or _INTERNAL, arguments, place)
        self._mutations += 1  # not where it failed: tried again, it is still the same step
        if run.committed is not None:
            self._floor = run.committed
            self._committed(run.committed)
        return result

    async def stream(
        self, function: Callable[Concatenate[RowSource, P], AsyncGenerator[T, None]], *arguments: P.args, **named: P.kwargs
    ) -> AsyncGenerator[T, None]:
        """What a function that reads a long list gives, in batches. Raises UnauthenticatedError where the key was revoked meanwhile."""
        batches = function(RowSource(self._services.database, self._access.scope), *arguments, **named)
        try:
            async for batch in batches:
                await self._recheck()
                yield batch
        finally:
            await batches.aclose()

    async def _recheck(self) -> None:
        if time.monotonic() - self._checked > RECHECKED_SECONDS:
            await authenticate_key(self._services, self._key)
            self._checked = time.monotonic()


def route(
    method: Literal["GET", "POST"], path: str, right: KeyRight, *, status: int = 200, media_types: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Marks a route under `/api/v1`. Its docstring describes it."""

    def mark(function: Function) -> Function:
        hints = get_type_hints(function)
        known = {"query", "body", "upload"}
        places = tuple(name for name in list(inspect.signature(function).parameters)[1:] if name not in known)
        made = Route(
            function=function,
            method=method,
            path=path,
            right=right,
            status=status,
            media_types=media_types,
            query=hints.get("query"),
            body=hints.get("body"),
            uploads="upload" in hints,
            places=places,
            answer=hints["return"],
        )
        setattr(function, MARK, made)
        return function

    return mark


def route_of(function: object) -> Route | None:
    """What `route` left on a function, or None."""
    made = getattr(function, MARK, None)
    return made if isinstance(made, Route) else None
