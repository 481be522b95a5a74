"""One attempt of a job, or one run of a cron: from its ticket to what came of it."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from random import SystemRandom
from typing import Final, TypeVar

from datastore.errors import RateLimitedError, TillstreamError, UnavailableError
from datastore.jobs import Ending, JobQueue
from datastore.schema import Job, JobTicket
from datastore.schema_jobs import JobStatus
from datastore.scope import Scope
from resolvers.actions import ActionContext, Outcome, PermanentError
from resolvers.auth import scope_at_work, scope_of_the_system
from resolvers.calls import Calls
from resolvers.crons import CRONS, Cron, CronContext
from resolvers.scheduling import ACTIONS, Action
from resolvers.services import Services

logger = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_BACKOFF: Final = 3600.0
CRON_BACKOFF: Final = 30.0
CRON_TIMEOUT: Final = 1800.0

PROGRESS_SECONDS: Final = 0.25
"""Progress that comes faster than this is left out, but for the first and the last: each is a write, and a push to who watches."""

_LONGEST_ERROR: Final = 2000
_WRITING_TRIES: Final = 8
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 5.0
_GONE = "Who scheduled this is no longer a member of the business."
_NO_TRIES_LEFT = "Its worker was lost in every attempt."
_UNEXPECTED = "Something went wrong on the server; its log says what."

_random = SystemRandom()


class Interruption(Enum):
    """Why an attempt is broken off from outside."""

    CANCELLED = "cancelled"
    STOPPED = "stopped"
    LOST = "lost"
    """Another worker has the ticket by now."""


def backoff(first: float, failures: int) -> float:
    """Seconds until the next attempt after so many failures: doubled each time, up to an hour, of which half is left to chance.

    What failed together is then not tried again together; but never at once, as full jitter would have it now and then
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ calls this one equal jitter).
    """
    longest = min(LONGEST_BACKOFF, first * 2.0 ** min(failures - 1, 32))
    return _random.uniform(longest / 2, longest)


class Attempt:
    """What a worker does with a ticket that it has taken."""

    def __init__(self, services: Services, queue: JobQueue, ticket: JobTicket) -> None:
        self._services = services
        self._queue = queue
        self._ticket = ticket
        self._interruption: Interruption | None = None
        self._work: asyncio.Task[Outcome | None] | None = None
        self._reported = 0.0

    def interrupt(self, why: Interruption) -> None:
        """Breaks it off."""
        self._interruption = self._interruption or why
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> None:
        """Carries it out, and writes down what came of it. Raises UnavailableError where that cannot be written: the lease then ends."""
        if self._ticket.kind in CRONS:
            await self._run_cron()
            return
        job = await self._queue.begin(self._ticket, self._services.clock())
        if job is None:
            await self._queue.drop(self._ticket)
            return
        ending = await self._outcome(job, ACTIONS[job.kind])
        if ending is not None:
            self._count(ending.status.lower())
            await self._written(lambda: self._queue.end(self._ticket, self._services.clock(), ending))

    def _count(self, outcome: str) -> None:
        self._services.monitor.attempts[self._ticket.kind, outcome] += 1

    @property
    def _failures(self) -> int:
        """How many attempts will have failed if this one does."""
        return self._ticket.attempt - self._ticket.pardoned

    async def _outcome(self, job: Job, action: Action) -> Ending | None:
        """How the job ends; None where it does not end yet."""
        if job.cancel_asked:
            return Ending("CANCELLED")
        if self._failures > action.attempts:
            return Ending("FAILED", job.error or _NO_TRIES_LEFT)
        scope = await self._scope(job)
        if scope is None:
            return Ending("FAILED", _GONE)
        context = self._context(job, scope, action)
        self._work = asyncio.create_task(_timed(action, context, json.loads(job.arguments)), name=f"action {action.kind}")
        if self._interruption is not None:
            self._work.cancel()
        await asyncio.wait([self._work])
        return await self._judged(self._work, action)

    async def _judged(self, work: "asyncio.Task[Outcome | None]", action: Action) -> Ending | None:
        """What it means how the work of a job ended."""
        if work.cancelled():
            return await self._broken_off(action)
        error = work.exception()
        if error is None:
            return _ending("SUCCEEDED", None, work.result() or Outcome(), action)
        if isinstance(error, PermanentError):
            return _ending("FAILED", shown(str(error)), error.outcome, action)
        if isinstance(error, TillstreamError) and not isinstance(error, UnavailableError | RateLimitedError):
            return Ending("FAILED", shown(error.message))
        if not isinstance(error, TillstreamError | TimeoutError):
            logger.error("attempt %d of %s %s failed", self._ticket.attempt, action.kind, self._ticket.job_id, exc_info=error)
        return await self._put_off(action, error)

    async def _broken_off(self, action: Action) -> Ending | None:
        if self._interruption is Interruption.CANCELLED:
            return Ending("CANCELLED")
        if self._interruption is Interruption.STOPPED:
            self._count("given_back")
            await self._written(lambda: self._queue.give_back(self._ticket, self._services.clock()))
            return None
        if self._interruption is Interruption.LOST:
            self._count("lost")
            logger.warning("%s %s was taken over by another worker", action.kind, self._ticket.job_id)
            return None
        return await self._put_off(action, RuntimeError("cancelled by itself"))

    async def _put_off(self, action: Action, error: BaseException) -> Ending | None:
        message = shown(error.message) if isinstance(error, TillstreamError) else _UNEXPECTED
        if isinstance(error, TimeoutError):
            message = f"It took longer than {action.timeout:,.0f} seconds."
        if self._failures >= action.attempts:
            return Ending("FAILED", message)
        pause = backoff(action.first_backoff, self._failures)
        if isinstance(error, RateLimitedError):
            pause = max(pause, error.retry_after)
        now = self._services.clock()
        self._count("put_off")
        await self._written(lambda: self._queue.put_off(self._ticket, now, now + timedelta(seconds=pause), message))
        return None

    async def _scope(self, job: Job) -> Scope | None:
        """Whose rights it runs with: its person's as they are now, None where that one has left. What is unlisted is the business's own."""
        if job.listed:
            return await scope_at_work(self._services, job.account_id, job.user_id)
        return scope_of_the_system(job.account_id, job.user_id)

    def _context(self, job: Job, scope: Scope, action: Action) -> ActionContext:
        return ActionContext(
            handle=job.id,
            attempt=self._ticket.attempt,
            last=self._failures >= action.attempts,
            services=self._services,
            calls=Calls(self._services, scope),
            report=self._report,
        )

    async def _report(self, done: int, total: int | None) -> None:
        """Writes how far the job has come, and notices that it is cancelled or lost."""
        if time.monotonic() - self._reported < PROGRESS_SECONDS and done != total:
            return
        self._reported = time.monotonic()
        job = await self._queue.note_progress(self._ticket, self._services.clock(), done, total)
        if job is None or job.cancel_asked:
            self.interrupt(Interruption.LOST if job is None else Interruption.CANCELLED)
            await asyncio.sleep(0)  # which is where the cancellation comes

    async def _run_cron(self) -> None:
        cron, now = CRONS[self._ticket.kind], self._services.clock
        self._work = asyncio.create_task(_timed_cron(cron, CronContext(self._services)), name=cron.kind)
        if self._interruption is not None:
            self._work.cancel()
        await asyncio.wait([self._work])
        if self._work.cancelled():
            if self._interruption is Interruption.STOPPED:
                await self._written(lambda: self._queue.pardon(self._ticket, now(), now()))
            return
        error = self._work.exception()
        self._count("succeeded" if error is None else "put_off")
        if error is None:
            await self._written(lambda: self._queue.renew(self._ticket, now(), cron.after(now())))
            return
        if isinstance(error, UnavailableError):
            logger.warning("%s is tried again: %s", cron.kind, error)
        else:
            logger.error("%s failed, and is tried again", cron.kind, exc_info=error)
        pause = timedelta(seconds=backoff(CRON_BACKOFF, self._failures))
        await self._written(lambda: self._queue.lay_back(self._ticket, now(), now() + pause))

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """The answer to a write, which is tried for half a minute: what was done would be done again if nobody knew of it."""
        pause = _FIRST_PAUSE
        for _ in range(_WRITING_TRIES - 1):
            with suppress(UnavailableError):
                return await write()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
        return await write()


def shown(message: str) -> str:
    """The text of an error as it is stored: not endless, and of characters alone."""
    return message[:_LONGEST_ERROR].encode(errors="replace").decode()


def _ending(status: JobStatus, error: str | None, outcome: Outcome, action: Action) -> Ending:
    try:
        result = None if outcome.result is None else json.dumps(outcome.result, allow_nan=False)
    except (TypeError, ValueError):
        logger.exception("what %s returned is no JSON", action.kind)
        return Ending("FAILED", _UNEXPECTED)
    return Ending(status, error, result, outcome.file_id)


async def _timed(action: Action, context: ActionContext, arguments: dict[str, object]) -> Outcome | None:
    async with asyncio.timeout(action.timeout):
        outcome: Outcome | None = await action.function(context, **arguments)
    return outcome


async def _timed_cron(cron: Cron, context: CronContext) -> None:
    """Returns nothing, as an action may."""
    async with asyncio.timeout(CRON_TIMEOUT):
        await cron.function(context)
