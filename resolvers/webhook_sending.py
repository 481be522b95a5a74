"""Sends deliveries: each process takes the queues of endpoints that are due, and sends to several endpoints at once.

One receiver that hangs holds up no other: each endpoint has its own few messages under way; endpoints that fail are sent one at a time,
after growing pauses, and share few places with each other.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from datastore.changes import Change
from datastore.errors import UnavailableError
from datastore.schema_webhooks import WebhookQueue
from datastore.versions import Version
from datastore.webhook_feed import QUEUES
from datastore.webhook_queue import WebhookQueues
from resolvers.outward import Outward
from resolvers.services import Services
from resolvers.webhook_lines import Line, Places

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=30)
POLL_SECONDS: Final = 2.0
"""How long a process sleeps that is told of nothing: deliveries that are to be tried again fall due."""
MOST_ENDPOINTS: Final = 500
"""Whose queues one process holds."""
MOST_UNDER_WAY: Final = 100
"""Messages to endpoints that answer."""
MOST_FAILING: Final = 50
"""Messages to endpoints that fail."""


class Sender:
    """The task of one process; `holder` names the process. It listens to the change stream of the process (`begin`, `take`)."""

    def __init__(self, services: Services, outward: Outward, holder: str) -> None:
        self._services = services
        self._outward = outward
        self._queues = WebhookQueues(services.database, holder, LEASE)
        self._places = Places(asyncio.Semaphore(MOST_UNDER_WAY), asyncio.Semaphore(MOST_FAILING))
        self._lines: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Has it look at once whether something is due."""
        self._wake.set()

    def begin(self, _version: Version) -> None:
        """A fresh stream: something may have been put in meanwhile."""
        self.wake()

    def take(self, changes: Iterable[Change]) -> None:
        """The next changes of the stream."""
        if any(change.table == QUEUES and change.row is not None and change.row["holder"] is None for change in changes):
            self.wake()

    async def run(self) -> None:
        """Sends what is due until it is cancelled; what is under way then is sent again, by another process."""
        try:
            while True:
                await self._once()
        finally:
            await self._stop()

    async def work_off(self) -> None:
        """Sends all that is due by now, and what follows it."""
        while await self._claim() or self._lines:
            if self._lines:
                await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)

    async def _once(self) -> None:
        self._wake.clear()
        try:
            claimed = len(self._lines) < MOST_ENDPOINTS and await self._claim()
        except UnavailableError as error:
            logger.warning("no webhooks are sent while the database does not answer: %s", error)
            claimed = False
        if not claimed:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _claim(self) -> bool:
        """Begins to send to the endpoint that has been due longest; whether there was one."""
        queue = await self._queues.claim(self._services.clock())
        if queue is None:
            return False
        task = asyncio.create_task(self._work(queue), name=f"webhooks to {queue.endpoint_id}")
        self._lines.add(task)
        task.add_done_callback(self._ended)
        return True

    async def _work(self, queue: WebhookQueue) -> None:
        try:
            await Line(self._services, self._outward, self._queues, self._places, queue).run()
        except UnavailableError as error:
            logger.warning("webhooks to %s are sent on once its lease ends: %s", queue.endpoint_id, error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._lines.discard(task)
        self.wake()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s stopped; they are begun again once their lease ends", task.get_name(), exc_info=error)

    async def _stop(self) -> None:
        lines = tuple(self._lines)
        for task in lines:
            task.cancel()
        if lines:
            await asyncio.wait(lines)
        try:
            await self._queues.release_all(self._services.clock())
        except UnavailableError as error:
            logger.info("what is to be sent is taken by others once its lease ends: %s", error)
