"""What the transports and the service that answers them agree on."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

OperationKind = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class GraphQLParams:
    """The parameters of a well-formed request, as the GraphQL-over-HTTP specification names them: only their types have been checked.

    `query` is empty where `extensions` name a document instead (`gql.persisted`).
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


Push = Callable[[bytes], bool]
"""Sends the body of a payload that is not final, if that can be done without waiting; says whether it was."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for one operation. The transports pass `principal` on from `Service.authenticate` and never look inside.

    `just_authenticated` is False where that was some time ago, as on a socket: the service then makes sure that it still holds.
    `push` is how a transport that can lets the payloads of a subscription reach the client without waking a task, which takes longer than
    writing them where a thousand watch. A service pushes only while it is being asked for its next payload: then none that it gave before
    is still on its way. A payload that was not sent it gives like any other. `address` is the client's (`gql.addresses`), empty where it is
    not known.
    """

    principal: Any | None
    request_id: str
    idempotency_key: str | None = None
    user_agent: str | None = None
    address: str = ""
    just_authenticated: bool = True
    push: Push | None = None


NOBODY: Final = Caller(None, "nobody")
"""Who asks where nobody does."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One complete GraphQL response, encoded once for all who receive it.

    `body` is a JSON object. `has_data`: its `data` is there and not null. `final`, in a subscription: an error ended it, so that the errors
    of `body` are sent as such and nothing follows. `status` is the HTTP status that the response deserves where its media type allows one
    (`gql.errors.http_status`).
    """

    body: bytes
    has_data: bool
    final: bool = False
    status: int = 200


class RequestRefused(Exception):  # noqa: N818  It is an answer like any other, not a fault
    """A document that cannot be carried out: `errors` are formatted as they are to be sent (`gql.errors.format_errors`)."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(errors)} errors in the request")
        self.errors = errors


class Operation(Protocol):
    """A parsed and validated operation: what a transport must know of it."""

    @property
    def kind(self) -> OperationKind:
        """Decides which transports may carry it."""

    @property
    def name(self) -> str | None:
        """Its name in the document, if it has one."""


OperationT = TypeVar("OperationT", bound=Operation)


class Service(Protocol[OperationT]):
    """What answers a transport."""

    def prepare(self, params: GraphQLParams, caller: Caller) -> OperationT:
        """The operation to carry out.

        Raises RequestRefused for syntax, validation, and an operation that is missing or ambiguous, and RateLimitedError.
        """

    async def authenticate(self, authorization: str | None) -> Any | None:
        """Whose `Authorization` header this is; None without one. Raises UnauthenticatedError for one that is bad or has expired."""

    async def execute(self, operation: OperationT, params: GraphQLParams, caller: Caller) -> Payload:
        """Carries out a query or a mutation. Whatever goes wrong is in the payload; only a cancellation is raised."""

    def subscribe(self, operation: OperationT, params: GraphQLParams, caller: Caller) -> AsyncGenerator[Payload, None]:
        """Carries out a subscription.

        Asked for its next payload it gives the newest, and skips those that nobody asked for: a transport therefore asks only after its
        client took the last one. What it pushed (`Caller.push`) it does not give. Closing the generator ends the subscription.
        """
