"""Workers: what carries out jobs and crons in a process, any number of them beside each other.

A worker takes what is due as long as it has room, and sleeps until something is: woken by the change stream when something is scheduled,
by a timer when the next ticket falls due, and now and then in case both failed. While it carries something out it extends the lease.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from datastore.changes import Change
from datastore.errors import UnavailableError
from datastore.ids import new_id
from datastore.jobs import JOBS, TICKETS, JobQueue
from datastore.schema import JobTicket
from datastore.versions import Version
from resolvers.attempts import Attempt, Interruption
from resolvers.crons import CRONS
from resolvers.scheduling import ACTIONS
from resolvers.services import Services

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 30.0
_BEATS: Final = 3
"""In one lease."""

POLL_SECONDS: Final = 30.0
"""The longest sleep: how late something may be that neither the change stream nor the timer told of."""

RETRY_SECONDS: Final = 2.0
"""How long a worker waits for a database that does not answer."""


_GIVING_BACK_SECONDS: Final = 3.0


@dataclass(slots=True)
class _UnderWay:
    ticket: JobTicket
    attempt: Attempt
    task: asyncio.Task[None]


class Worker:
    """One worker; `slots` is how much it carries out at the same time.

    It listens to the change stream of its process (`begin`, `take`). Where it is deaf, it finds out by looking.
    """

    def __init__(self, services: Services, *, slots: int, lease_seconds: float = LEASE_SECONDS) -> None:
        self._services = services
        self._slots = slots
        self._lease = timedelta(seconds=lease_seconds)
        self._queue = JobQueue(services.database, new_id("wrk"), self._lease)
        self._under_way: dict[str, _UnderWay] = {}
        self._wake = asyncio.Event()
        self._planned = False
        """Whether the tickets of the crons are known to be there."""
        self._stopping = False

    # --- what the change stream says ---

    def begin(self, _version: Version) -> None:
        """A fresh stream: something may have been scheduled meanwhile."""
        self._wake.set()

    def take(self, changes: Iterable[Change]) -> None:
        """The next changes of the stream."""
        for change in changes:
            if change.table == TICKETS and change.row is not None and change.row.get("worker") is None:
                self._wake.set()
            elif change.table == JOBS and change.id in self._under_way and change.row is not None and change.row.get("cancel_asked"):
                self._interrupt(change.id, Interruption.CANCELLED)

    # --- life ---

    async def run(self) -> None:
        """Carries out what is due until it is stopped."""
        beating = asyncio.create_task(self._beat(), name="heartbeat of jobs")
        try:
            while not self._stopping:
                await self._look()
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def stop(self, grace_seconds: float) -> None:
        """Takes nothing more, waits for what is under way, and gives back what takes longer, so that another worker begins it at once."""
        self._stopping = True
        self._wake.set()
        tasks = [each.task for each in self._under_way.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        for id in tuple(self._under_way):
            self._interrupt(id, Interruption.STOPPED)
        if tasks:  # what will not be interrupted is left to its lease
            await asyncio.wait(tasks, timeout=_GIVING_BACK_SECONDS)

    async def work_off(self) -> None:
        """Carries out all that is due by now, and what that makes due."""
        await self._plan_crons()
        while await self._fill() or self._under_way:
            if self._under_way:
                await asyncio.wait([each.task for each in self._under_way.values()], return_when=asyncio.FIRST_COMPLETED)

    # --- the loop ---

    async def _plan_crons(self) -> None:
        for cron in CRONS.values():
            await self._queue.plan(cron.kind, self._services.clock(), cron.period)
        self._planned = True

    async def _look(self) -> None:
        """Takes what is due and there is room for, and sleeps."""
        self._wake.clear()
        try:
            if not self._planned:
                await self._plan_crons()
            await self._fill()
            due = None if self._full else await self._queue.next_due(self._kinds())
        except UnavailableError as error:
            logger.warning("no jobs are taken while the database does not answer: %s", error)
            await self._sleep(RETRY_SECONDS)
            return
        await self._sleep(POLL_SECONDS if due is None else (due - self._services.clock()).total_seconds())

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.0), POLL_SECONDS)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _fill(self) -> int:
        """Begins what is due, as much as there is room for; how many that were."""
        begun = 0
        while not self._full and not self._stopping and (kinds := self._kinds()):
            ticket = await self._queue.claim(kinds, self._services.clock())
            if ticket is None:
                break
            self._begin(ticket)
            begun += 1
        return begun

    @property
    def _full(self) -> bool:
        return len(self._under_way) >= self._slots

    def _kinds(self) -> list[str]:
        """What may be taken now: the kinds that this process knows and does not do enough of already."""
        doing = Counter(each.ticket.kind for each in self._under_way.values())
        return [*CRONS, *(action.kind for action in ACTIONS.values() if action.at_once is None or doing[action.kind] < action.at_once)]

    def _begin(self, ticket: JobTicket) -> None:
        attempt = Attempt(self._services, self._queue, ticket)
        task = asyncio.create_task(attempt.run(), name=f"{ticket.kind} {ticket.job_id}")
        under_way = _UnderWay(ticket, attempt, task)
        self._under_way[ticket.job_id] = under_way
        task.add_done_callback(lambda _: self._ended(under_way))

    def _ended(self, under_way: _UnderWay) -> None:
        if self._under_way.get(under_way.ticket.job_id) is under_way:
            del self._under_way[under_way.ticket.job_id]
        self._wake.set()
        if not under_way.task.cancelled() and (error := under_way.task.exception()) is not None:
            logger.error("%s could not be brought to an end; it will be begun again", under_way.task.get_name(), exc_info=error)

    def _interrupt(self, job_id: str, why: Interruption) -> None:
        self._under_way[job_id].attempt.interrupt(why)

    # --- leases ---

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / _BEATS)
            for under_way in tuple(self._under_way.values()):
                await self._extend(under_way)

    async def _extend(self, under_way: _UnderWay) -> None:
        try:
            held = await self._queue.extend(under_way.ticket, self._services.clock())
        except UnavailableError as error:
            logger.warning("the lease of %s could not be extended: %s", under_way.task.get_name(), error)
            return
        if not held:
            under_way.attempt.interrupt(Interruption.LOST)
