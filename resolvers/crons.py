"""Crons: the kind of function that runs by the clock, once for each due time, however many processes there are.

    @cron(every=300)
    async def send_daily_summaries(ctx: CronContext) -> None: ...

The due times are the multiples of `every` seconds since 1970. One that passed while no worker ran, or while the last run took too long, is
made up for by one run, not by one for each. A run whose worker dies, or which fails, is done again after a while.
"""

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from resolvers.auth import on_behalf_of
from resolvers.calls import Calls
from resolvers.scheduling import kind_of
from resolvers.services import Services

PREFIX: Final = "cron:"
SHORTEST: Final = 60
"""Seconds: a due time is not passed over by the lease of a run that died."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class CronContext:
    """What a cron may do: find out what is due, and call mutations for whoever set it up."""

    services: Services

    def now(self) -> datetime:
        """The present instant, UTC."""
        return self.services.clock()

    def on_behalf_of(self, account_id: str, user_id: str) -> Calls:
        """Calls in an account, for a person who set something up there, with the least of rights."""
        return Calls(self.services, on_behalf_of(account_id, user_id))


CronFunction = Callable[[CronContext], Coroutine[Any, Any, None]]
Function = TypeVar("Function", bound=CronFunction)


@dataclass(frozen=True, slots=True)
class Cron:
    """A function and how often it runs."""

    kind: str
    function: CronFunction
    period: timedelta

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment."""
        return _EPOCH + ((moment - _EPOCH) // self.period + 1) * self.period


CRONS: Final[dict[str, Cron]] = {}
"""By the kind of their tickets."""


def cron(*, every: int) -> Callable[[Function], Function]:
    """Marks a function that runs every so many seconds, a minute at least."""
    if every < SHORTEST:
        raise TypeError(f"a cron runs every {SHORTEST} seconds at most")

    def mark(function: Function) -> Function:
        kind = PREFIX + kind_of(function)
        if not inspect.iscoroutinefunction(function) or kind in CRONS:
            raise TypeError(f"{function} must be an async function, and the only cron of its name")
        CRONS[kind] = Cron(kind, function, timedelta(seconds=every))
        return function

    return mark
