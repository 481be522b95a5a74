"""A service small enough to see through (gql.wire.Service), and a real server with nothing but the transports in front of it."""

import asyncio
import inspect
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, build_schema, execute, get_operation_ast, parse, validate
from starlette.applications import Starlette

from datastore.errors import InvalidInputError, RateLimitedError, UnauthenticatedError, UnavailableError
from datastore.settings import Settings
from gql.errors import format_errors, http_status
from gql.http import graphql_routes
from gql.websocket import uvicorn_options, websocket_routes
from gql.wire import Caller, GraphQLParams, OperationKind, Payload, RequestRefused

LIMIT_SECONDS = 10

SCHEMA = build_schema("""
    type Query { hello: String, echo(text: String): String, count(of: Int): Int, whoami: String, key: String, held: String, boom: String,
    refused: String } type Mutation { add: Int, heldAdd: Int } type Subscription { news: Int, three: Int, bad: Int, broken: Int, big:
    String }
""")


@dataclass(frozen=True)
class TinyOperation:
    kind: OperationKind
    name: str | None
    document: DocumentNode


class TinyService:
    """`held` fields wait for `gate`; `news` and `big` send what `publish` was called with, newest only."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets what happened."""
        self.added = 0
        self.gate = asyncio.Event()
        self.waiting = 0
        self.cancelled = 0
        self.open_subscriptions = 0
        self.sent: list[int] = []
        self._news = 0
        self._changed = asyncio.Condition()

    def prepare(self, params: GraphQLParams, caller: Caller) -> TinyOperation:
        del caller
        try:
            document = parse(params.query)
        except GraphQLError as error:
            raise RequestRefused(format_errors([error], "document")) from None
        if errors := validate(SCHEMA, document):
            raise RequestRefused(format_errors(errors, "document"))
        node = get_operation_ast(document, params.operation_name)
        if not isinstance(node, OperationDefinitionNode):
            unknown = GraphQLError("Unknown operation.", original_error=InvalidInputError("Unknown operation."))
            raise RequestRefused(format_errors([unknown], "document"))
        kind: OperationKind = node.operation.value
        return TinyOperation(kind, node.name.value if node.name else None, document)

    async def authenticate(self, authorization: str | None) -> str | None:
        match authorization:
            case None:
                return None
            case "Bearer good":
                return "ann"
            case "Bearer down":
                raise UnavailableError("The database does not answer.")
            case "Bearer busy":
                raise RateLimitedError("Too many tries.", retry_after=2.5)
            case "Bearer broken":
                raise RuntimeError("secret of the house")
        raise UnauthenticatedError("The token is invalid.")

    async def execute(self, operation: TinyOperation, params: GraphQLParams, caller: Caller) -> Payload:
        result = execute(
            SCHEMA, operation.document, root_value=_Root(self, caller), variable_values=params.variables, operation_name=operation.name
        )
        if inspect.isawaitable(result):
            result = await result
        errors = format_errors(result.errors or (), caller.request_id)
        executed = result.data is not None or any("path" in error for error in errors)
        body: dict[str, Any] = ({"data": result.data} if executed else {}) | ({"errors": errors} if errors else {})
        return Payload(orjson.dumps(body), result.data is not None, status=http_status(errors, executed=executed))

    async def subscribe(self, operation: TinyOperation, params: GraphQLParams, caller: Caller) -> AsyncGenerator[Payload, None]:
        del params, caller
        self.open_subscriptions += 1
        try:
            async for body, final in self._results(_root_field(operation)):
                yield Payload(body, has_data=not final, final=final)
        finally:
            self.open_subscriptions -= 1

    async def publish(self, number: int) -> None:
        async with self._changed:
            self._news = number
            self._changed.notify_all()

    async def _results(self, name: str) -> AsyncIterator[tuple[bytes, bool]]:
        if name == "bad":
            yield orjson.dumps({"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}), True
        elif name == "broken":
            raise RuntimeError("secret of the house")
        elif name == "three":
            for number in (1, 2, 3):
                yield orjson.dumps({"data": {"three": number}}), False
        else:
            async for number in self._numbers():
                value = "x" * 100_000 if name == "big" else number
                yield orjson.dumps({"data": {name: value}, "extensions": {"number": number}}), False

    async def _numbers(self) -> AsyncIterator[int]:
        seen = 0
        while True:
            async with self._changed:
                while self._news == seen:
                    await self._changed.wait()
                seen = self._news
            self.sent.append(seen)
            yield seen


class _Root:
    """The root value of one operation: its fields are these methods."""

    def __init__(self, service: TinyService, caller: Caller) -> None:
        self._service = service
        self._caller = caller

    def hello(self, _info: object) -> str:
        return "world"

    def echo(self, _info: object, text: str | None = None) -> str | None:
        return text

    def count(self, _info: object, of: int = 0) -> int:
        return of

    def whoami(self, _info: object) -> str | None:
        return f"{self._caller.principal} {self._caller.request_id} {self._caller.user_agent}"

    def key(self, _info: object) -> str | None:
        return self._caller.idempotency_key

    def boom(self, _info: object) -> str:
        raise RuntimeError("secret of the house")

    def refused(self, _info: object) -> str:
        raise InvalidInputError.of("input.name", "is too long.")

    def add(self, _info: object) -> int:
        self._service.added += 1
        return self._service.added

    async def held(self, _info: object) -> str:
        await self._wait()
        return "done"

    async def heldAdd(self, info: object) -> int:  # noqa: N802  a field's name
        await self._wait()
        return self.add(info)

    async def _wait(self) -> None:
        self._service.waiting += 1
        try:
            await self._service.gate.wait()
        except asyncio.CancelledError:
            self._service.cancelled += 1
            raise
        finally:
            self._service.waiting -= 1


def _root_field(operation: TinyOperation) -> str:
    node = get_operation_ast(operation.document, operation.name)
    assert node is not None
    return str(node.selection_set.selections[0].name.value)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Serving:
    """A running server."""

    address: str
    server: uvicorn.Server

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@asynccontextmanager
async def serving(
    service: TinyService, settings: Settings, *, ping_seconds: float = 25, pong_seconds: float = 15, stalled_seconds: float = 60
) -> AsyncIterator[Serving]:
    """All transports on a real uvicorn."""
    routes = [
        *graphql_routes(service, settings, keep_alive_seconds=ping_seconds, stalled_seconds=stalled_seconds),
        *websocket_routes(service, settings, ping_seconds=ping_seconds, pong_seconds=pong_seconds),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), log_config=None, lifespan="off", timeout_graceful_shutdown=2, **uvicorn_options(settings)
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        yield Serving(f"127.0.0.1:{listening.getsockname()[1]}", server)
        server.should_exit = True
        await running


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition, with a limit."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)
