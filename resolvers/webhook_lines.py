"""Sends to one endpoint, for as long as this process holds its queue.

The messages about one row go out one after the other: what comes behind one that failed waits until that one was sent, or was given up.
Messages about different rows do not wait for each other.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final

from datastore.schema_webhooks import WebhookDelivery, WebhookEndpoint, WebhookQueue
from datastore.webhook_queue import Scheduled, WebhookQueues
from resolvers.outward import Outward
from resolvers.services import Services
from resolvers.webhook_attempts import Attempted, attempt
from resolvers.webhook_disabling import disable_endpoint

AT_ONCE: Final = 8
"""Messages to one endpoint that are under way."""

FAILING_FROM: Final = 5
"""Failures without a success between them, from which on an endpoint is only asked now and then whether it answers."""
FIRST_PAUSE: Final = timedelta(seconds=5)
LAST_PAUSE: Final = timedelta(minutes=5)

DISABLED_AFTER: Final = timedelta(days=3)
"""How long an endpoint may fail without a success before it is switched off: nearly as long as one message is tried."""

HASTENED_AFTER: Final = timedelta(minutes=1)
"""After an outage of that length all that failed is tried again at once, not when each message would have been."""

MOST_SCHEDULED: Final = 5_000
"""Messages that failed; with more of them no others are tried."""

LOOK_SECONDS: Final = 2.0
"""How often it is looked whether the endpoint was changed, or something asked for."""

GONE: Final = 410
_PAGE: Final = 50
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Places:
    """What all endpoints of a process share: places for messages to those that answer, and to those that fail."""

    answering: asyncio.Semaphore
    failing: asyncio.Semaphore


class Line:
    """The holding of one queue, from its claim to its laying back."""

    def __init__(self, services: Services, outward: Outward, queues: WebhookQueues, places: Places, queue: WebhookQueue) -> None:
        self._services = services
        self._outward = outward
        self._queues = queues
        self._places = places
        self._queue = queue
        self._failures = queue.failures
        self._asked = False
        """Whether an endpoint that fails has been asked, this once."""
        self._over = False
        """Whether nothing more is sent, because the endpoint is gone or off, or the queue lost."""
        self._scheduled: dict[str, Scheduled] = {}
        self._under_way: dict[asyncio.Task[Attempted], WebhookDelivery] = {}
        self._blocked: Counter[str] = Counter()
        """Rows that have a message under way, or that failed."""
        self._behind: set[str] = set()
        """Rows of which messages were passed over: what waits of them, up to `_looked`, is asked for one by one."""
        self._freed: deque[str] = deque()
        """Those of them whose next message may be sent."""
        self._page: deque[WebhookDelivery] = deque()
        """Waiting messages in order, none of a row that is in `_behind`."""
        self._looked = -1
        """Up to which number the waiting messages are known: they are in `_page`, or of a row that is in `_behind`."""
        self._endpoint: WebhookEndpoint

    async def run(self) -> None:
        """Sends what is due, and lays the queue back. Raises UnavailableError; the queue is free again when its lease ends."""
        try:
            if not await self._look():
                return
            looked_at = asyncio.get_running_loop().time()
            while True:
                await self._fill()
                if not self._under_way:
                    if await self._lay_back():
                        return
                    continue
                await self._settle()
                if asyncio.get_running_loop().time() - looked_at >= LOOK_SECONDS:
                    await self._renew()
                    looked_at = asyncio.get_running_loop().time()
        finally:
            await self._abandon()

    # --- what there is to send ---

    async def _look(self) -> bool:
        """Reads the endpoint, and what is to be tried again; false where there is nothing to be sent, and the queue is laid back."""
        endpoint = None if self._queue.closed else await self._queues.endpoint(self._queue)
        now = self._services.clock()
        if endpoint is None:
            self._over = True
            await self._queues.purge(self._queue, now)
            return False
        self._endpoint = endpoint
        if not endpoint.enabled:
            self._over = True
            await self._queues.lay_back(self._queue, now, due_at=None, failures=0)
            return False
        sending = {delivery.id for delivery in self._under_way.values()}
        for each in await self._queues.scheduled(self._queue, MOST_SCHEDULED):
            if each.id not in sending:
                self._block(each)
        return True

    def _block(self, failed: Scheduled) -> None:
        """Has the row of a message that is to be tried again wait; what comes behind it need not be looked at before."""
        if failed.id not in self._scheduled:
            self._blocked[failed.row_id] += 1
        self._scheduled[failed.id] = failed
        self._pass_over(failed.row_id)

    def _pass_over(self, row_id: str) -> None:
        """Has what waits of a row wait behind what is under way or failed of it."""
        if row_id not in self._behind:
            self._behind.add(row_id)
            self._page = deque(delivery for delivery in self._page if delivery.row_id != row_id)

    async def _fill(self) -> None:
        while len(self._under_way) < self._room() and (delivery := await self._next()) is not None:
            self._asked = True
            task = asyncio.create_task(self._send(delivery), name=f"webhook {delivery.id}")
            self._under_way[task] = delivery

    def _room(self) -> int:
        if self._over:
            return 0
        if self._failures < FAILING_FROM:
            return AT_ONCE
        return 0 if self._asked else 1

    async def _next(self) -> WebhookDelivery | None:
        """The next message that may be sent; its row is blocked from now on."""
        for each in self._due():
            del self._scheduled[each.id]
            delivery = await self._queues.unsent(self._queue, each.id)
            if delivery is not None:
                return delivery
            self._free(each.row_id)
        if len(self._scheduled) >= MOST_SCHEDULED:
            return None
        while self._freed:
            row_id = self._freed.popleft()
            if not self._blocked[row_id]:
                delivery = await self._queues.next_of_row(self._queue, row_id, up_to=self._looked)
                if delivery is not None:
                    self._blocked[row_id] += 1
                    return delivery
                self._behind.discard(row_id)
        return await self._next_in_line()

    def _due(self) -> Iterator[Scheduled]:
        """The messages that are to be tried again by now, of rows that have none under way."""
        now = self._services.clock()
        sending = {delivery.row_id for delivery in self._under_way.values()}
        return iter([each for each in self._scheduled.values() if each.due_at <= now and each.row_id not in sending])

    async def _next_in_line(self) -> WebhookDelivery | None:
        """The next message that has not been tried, of a row that nothing is in the way of."""
        while True:
            if not self._page:
                found = await self._queues.waiting(self._queue, after=self._looked, limit=_PAGE, besides=self._behind)
                if not found:
                    return None
                self._page.extend(delivery for delivery in found if delivery.row_id not in self._behind)
                self._looked = found[-1].number
                continue
            delivery = self._page.popleft()
            if not self._blocked[delivery.row_id]:
                self._blocked[delivery.row_id] += 1
                return delivery
            self._pass_over(delivery.row_id)

    def _free(self, row_id: str) -> None:
        self._blocked[row_id] -= 1
        if self._blocked[row_id] <= 0:
            del self._blocked[row_id]
            if row_id in self._behind:
                self._freed.append(row_id)

    # --- sending, and what came of it ---

    async def _send(self, delivery: WebhookDelivery) -> Attempted:
        place = self._places.failing if self._failures >= FAILING_FROM else self._places.answering
        async with place:
            return await attempt(self._services, self._outward, self._endpoint, delivery)

    async def _settle(self) -> None:
        """Waits until a message was answered, or it is time to look, and notes what came of it."""
        done, _ = await asyncio.wait(self._under_way, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        settled = [(self._under_way.pop(task), task.result()) for task in done]
        now = self._services.clock()
        await asyncio.gather(*(self._queues.note(delivery, now, attempted.columns) for delivery, attempted in settled))
        for delivery, attempted in settled:
            self._services.monitor.webhooks[attempted.columns["state"].lower()] += 1
            if attempted.next_attempt_at is not None:
                self._scheduled[delivery.id] = Scheduled(delivery.id, delivery.row_id, attempted.next_attempt_at)
                self._pass_over(delivery.row_id)
            else:
                self._free(delivery.row_id)
        for _, attempted in settled:  # once all are counted: the first success has what failed looked up again
            await (self._succeeded() if attempted.delivered else self._failed(attempted))

    async def _succeeded(self) -> None:
        now, since = self._services.clock(), self._endpoint.failing_since
        self._failures = 0
        if since is None:
            return
        await self._note_failing(now, None)
        if now - since >= HASTENED_AFTER:
            await self._queues.hasten(self._queue, now)
            await self._look()

    async def _failed(self, attempted: Attempted) -> None:
        now = self._services.clock()
        self._failures += 1
        if self._endpoint.failing_since is None:
            await self._note_failing(now, now)
        if attempted.status == GONE:
            await self._disable("The receiver answered that it is gone for good (410).")
        elif now - (self._endpoint.failing_since or now) >= DISABLED_AFTER:
            await self._disable(f"Nothing could be delivered for {DISABLED_AFTER.days} days. The last failure: {attempted.words}")

    async def _note_failing(self, now: datetime, since: datetime | None) -> None:
        await self._queues.note_failing(self._endpoint, now, since)
        self._endpoint = self._endpoint.model_copy(update={"failing_since": since})

    async def _disable(self, reason: str) -> None:
        self._over = True
        await disable_endpoint(self._services, self._endpoint.account_id, self._endpoint.id, reason)

    # --- the lease ---

    async def _renew(self) -> None:
        """Extends the lease, and looks again."""
        renewed = await self._queues.renew(self._queue, self._services.clock())
        if renewed is None:
            self._over = True
            return
        if renewed.failures < self._queue.failures:  # somebody wants it asked at once
            self._failures, self._asked = renewed.failures, False
        altered, self._queue = renewed.wanted != self._queue.wanted, renewed
        if renewed.closed or altered:
            await self._look()
        elif not self._over:
            endpoint = await self._queues.endpoint(self._queue)
            self._over = endpoint is None or not endpoint.enabled
            self._endpoint = endpoint or self._endpoint

    async def _lay_back(self) -> bool:
        """Lays the queue back until something is due; false where there is something to be sent."""
        now = self._services.clock()
        if self._over:
            await self._queues.lay_back(self._queue, now, due_at=None, failures=0)
            return True
        if self._failures >= FAILING_FROM and self._asked:
            pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - FAILING_FROM, 10)) * _random.uniform(1, 1.1)
            laid_back = await self._queues.pause(self._queue, now, until=now + pause, failures=self._failures)
        else:
            due_at = min((each.due_at for each in self._scheduled.values()), default=None)
            laid_back = await self._queues.lay_back(self._queue, now, due_at=due_at, failures=self._failures)
        if not laid_back:
            await self._renew()
        return laid_back

    async def _abandon(self) -> None:
        """Ends what is under way, where the line ends before it."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
