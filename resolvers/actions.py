"""Actions: the kind of function that reaches what is outside. Each runs as a durable job, at least once.

    @action(attempts=5, first_backoff=10, timeout=60)
    async def send_receipt(ctx: ActionContext, *, sale_id: str) -> Outcome | None: ...

A mutation schedules it (`ctx.schedule(send_receipt, {"sale_id": sale.id})`), and it is carried out if and only if that mutation commits.
Whatever it raises is either tried again, with a growing pause (UnavailableError, a time-out, what nobody thought of), or, where trying
again is no use, the end of the job: PermanentError and all other errors of the API. A worker can die at any point of it; it then runs
again from its beginning. What must not happen twice outside is told apart there by `ctx.handle`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from datastore.scope import Scope
from resolvers.calls import Calls
from resolvers.exports import RowSource
from resolvers.outside import Outside
from resolvers.scheduling import Action, ActionFunction, declare, kind_of
from resolvers.services import Services

T = TypeVar("T")
P = ParamSpec("P")
Function = TypeVar("Function", bound=ActionFunction)

ATTEMPTS: Final = 5
FIRST_BACKOFF: Final = 5.0
TIMEOUT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action: a small result that JSON holds, a file."""

    result: dict[str, Any] | None = None
    file_id: str | None = None


class PermanentError(Exception):
    """The job will never succeed, however often it is tried. Its text is shown to who scheduled it, and an outcome beside it."""

    def __init__(self, message: str, outcome: Outcome | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome or Outcome()


Report = Callable[[int, int | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action may do: call queries and mutations, and reach what is outside. It has no database.

    `handle` is the same in every attempt of a job and in no other job: services outside are given it as their idempotency key.
    `attempt` counts from 1; `last` says that it is not tried again by itself where this attempt fails.
    """

    handle: str
    attempt: int
    last: bool
    services: Services = field(repr=False)
    calls: Calls = field(repr=False)
    report: Report = field(repr=False)

    @property
    def scope(self) -> Scope:
        """Whom the action works for, in the role that they have now."""
        return self.calls.scope

    @property
    def outside(self) -> Outside:
        """The services outside."""
        return self.services.outside

    def now(self) -> datetime:
        """The present instant, UTC."""
        return self.services.clock()

    async def query(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """As `Calls.query`."""
        return await self.calls.query(function, **arguments)

    async def mutate(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """As `Calls.mutate`. An attempt after this one may do it again: the mutation must see that it was done."""
        return await self.calls.mutate(function, **arguments)

    async def mutate_once(self, step: str, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """As `mutate`, but once for each step of the job, named as the action likes: a later attempt is given the first result.

        The function must return a row, a truth value, or a dictionary that JSON holds, and be asked for the same thing each time.
        """
        return await self.calls.mutate(function, idempotency_key=self.handle, step=step, **arguments)

    def stream(
        self, function: Callable[Concatenate[RowSource, P], AsyncGenerator[T, None]], *arguments: P.args, **named: P.kwargs
    ) -> AsyncGenerator[T, None]:
        """As `Calls.stream`."""
        return self.calls.stream(function, *arguments, **named)

    async def progress(self, done: int, total: int | None = None) -> None:
        """Shows how far the job has come: so many pieces, of so many where that is known. May be called as often as is convenient."""
        await self.report(done, total)


def action(
    *,
    attempts: int = ATTEMPTS,
    first_backoff: float = FIRST_BACKOFF,
    timeout: float = TIMEOUT,
    at_once: int | None = None,
    listed: bool = True,
    private: bool = False,
) -> Callable[[Function], Function]:
    """Marks an action: tried `attempts` times at most, the first time again after some `first_backoff` seconds, each try ended after
    `timeout` seconds; `at_once` of them in one process; `listed` where people see its jobs; `private` where nobody is told what came of
    one but who scheduled it.
    """

    def mark(function: Function) -> Function:
        declare(Action(kind_of(function), function, attempts, first_backoff, timeout, at_once, listed, private))
        return function

    return mark
