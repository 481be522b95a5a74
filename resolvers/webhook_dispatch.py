"""Turns changes into deliveries: follows the stream of changes from where the last one stopped, in one process of a deployment at a time.

Whatever goes wrong has one way back: begin again at the position that is stored (`datastore/webhook_feed.py`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import SystemRandom
from typing import Final

from datastore import schema as tables
from datastore.changes import Change, ChangeStream, GapError, StreamLostError, UnreadableError
from datastore.errors import UnavailableError
from datastore.feed import Position, end_of, position_of
from datastore.versions import Version
from datastore.webhook_feed import ENDPOINTS, Lead, LeadLostError, Subscriber, WebhookLead, open_behind, stream_for, subscribers
from datastore.webhook_queue import WebhookQueues
from resolvers.services import Services
from resolvers.webhook_disabling import disable_endpoint
from resolvers.webhook_events import GAP, Event, event_of, events_of, gap_message, new_delivery, wants

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=15)
KEEP_SECONDS: Final = 4.0
"""How often a lead is renewed that has nothing to write."""
WAIT_SECONDS: Final = 2.0
"""How long a process that does not lead waits before it looks again."""

MOST_WAITING: Final = 100_000
"""Deliveries that may wait for one endpoint; with more it is switched off."""
COUNTED_EVERY: Final = 2_000
KEPT_DAYS: Final = 30
_CLEANED_EVERY: Final = timedelta(hours=1)

RETRY_SECONDS: Final = 1.0
_random = SystemRandom()


class Dispatcher:
    """The task of one process. `woken` is called when there are new deliveries; `holder` names the process."""

    def __init__(self, services: Services, holder: str, woken: Callable[[], None]) -> None:
        self._services = services
        self._woken = woken
        self._lead = WebhookLead(services.database, holder, LEASE)
        self._queues = WebhookQueues(services.database, holder, LEASE)
        self._written: Counter[str] = Counter()
        """Deliveries for each endpoint since those that wait were counted."""
        self._cleaned: datetime | None = None

    async def run(self) -> None:
        """Leads whenever no other process does, until it is cancelled; another may lead at once then."""
        try:
            while True:
                await self._once()
        finally:
            await self._release()

    async def _once(self) -> None:
        try:
            lead = await self._lead.take(self._services.clock())
            if lead is None:
                await asyncio.sleep(WAIT_SECONDS)
            else:
                await self._lead_from(lead)
        except (StreamLostError, UnavailableError, LeadLostError) as error:
            logger.info("the changes are followed for webhooks from their stored position again: %s", error)
            await asyncio.sleep(_random.uniform(0.5, 1) * RETRY_SECONDS)

    async def _lead_from(self, lead: Lead) -> None:
        """Leads until the endpoints change."""
        told = await subscribers(self._services.database, lead.position.time)
        stream = stream_for(self._services.database, told)
        try:
            try:
                await open_behind(stream, lead.position)
                await self._follow(stream, lead, told)
            except (GapError, UnreadableError) as error:
                await self._tell_of_gap(lead, told, error)
        finally:
            await stream.close()

    async def _follow(self, stream: ChangeStream, lead: Lead, told: Sequence[Subscriber]) -> None:
        loop = asyncio.get_running_loop()
        kept_at = loop.time()
        while True:
            changes = [change for change in await stream.poll() if position_of(change) > lead.position]
            turn = next((index for index, change in enumerate(changes) if _alters_endpoints(change)), None)
            reached = max(lead.position, *_ends(stream, changes)) if turn is None else position_of(changes[turn])
            deliveries = await self._deliveries(lead.number, changes[:turn], told)
            if deliveries:
                lead = Lead(reached, deliveries[-1].number)
                await self._commit(lead, deliveries)
                kept_at = loop.time()
            elif turn is not None or loop.time() - kept_at >= KEEP_SECONDS:
                lead = Lead(reached, lead.number)
                await self._lead.keep(reached, self._services.clock())
                kept_at = loop.time()
                await self.clean()
            else:
                lead = Lead(reached, lead.number)
            if turn is not None:
                return

    async def _deliveries(self, number: int, changes: Sequence[Change], told: Sequence[Subscriber]) -> list[tables.WebhookDelivery]:
        """What is to be sent of these changes, in their order, numbered on from a number."""
        by_account: dict[str, list[Subscriber]] = {}
        for each in told:
            by_account.setdefault(each.account_id, []).append(each)
        wanted = [
            (change, endpoints)
            for change in changes
            if (type := event_of(change)) is not None
            and (endpoints := [each for each in by_account.get(change.owner or "", ()) if wants(each.events, type)])
        ]
        events = await self._events(wanted)
        now = self._services.clock()
        told_of = [(endpoint, event) for (_, endpoints), event in zip(wanted, events, strict=True) if event for endpoint in endpoints]
        return [new_delivery(endpoint, event, now, number + index) for index, (endpoint, event) in enumerate(told_of, start=1)]

    async def _events(self, wanted: Sequence[tuple[Change, list[Subscriber]]]) -> list[Event | None]:
        """The events of changes, those of each account read together."""
        found: dict[Position, Event | None] = {}
        for account_id, group in groupby(sorted(wanted, key=lambda each: each[0].owner or ""), key=lambda each: each[0].owner or ""):
            of_one = list(group)
            changes = [change for change, _ in of_one]
            events = await events_of(self._services, account_id, of_one[0][1][0].user_id, changes)
            found |= zip(map(position_of, changes), events, strict=True)
        return [found[position_of(change)] for change, _ in wanted]

    async def _commit(self, lead: Lead, deliveries: Sequence[tables.WebhookDelivery], *, gaps: int = 0) -> None:
        await self._lead.commit(lead, deliveries, self._services.clock(), gaps=gaps)
        self._woken()
        self._written.update(each.endpoint_id for each in deliveries)
        for delivery in {each.endpoint_id: each for each in deliveries}.values():
            if self._written[delivery.endpoint_id] >= COUNTED_EVERY:
                await self._check_waiting(delivery)

    async def _check_waiting(self, delivery: tables.WebhookDelivery) -> None:
        """Switches an endpoint off that falls behind further and further."""
        del self._written[delivery.endpoint_id]
        if await self._queues.count_waiting(delivery.account_id, delivery.endpoint_id, MOST_WAITING) >= MOST_WAITING:
            reason = f"More than {MOST_WAITING:,} messages wait for it."
            await disable_endpoint(self._services, delivery.account_id, delivery.endpoint_id, reason)

    async def _tell_of_gap(self, lead: Lead, told: Sequence[Subscriber], error: StreamLostError) -> None:
        """Goes on at the present moment, and tells every endpoint that changes have been missed, those that were made meanwhile as well."""
        position = end_of(await self._services.database.ping())
        by_id = {each.endpoint_id: each for each in (*told, *await subscribers(self._services.database, position.time))}
        since, until = moment_of(lead.position.time), moment_of(position.time)
        logger.error("changes between %s and %s are lost for webhooks: %s", since, until, error)
        body = gap_message(since, until)
        now = self._services.clock()
        deliveries = [
            new_delivery(each, Event(GAP, "", body), now, lead.number + index) for index, each in enumerate(by_id.values(), start=1)
        ]
        await self._commit(Lead(position, lead.number + len(deliveries)), deliveries, gaps=1)

    async def clean(self) -> None:
        """Deletes what the log keeps no longer, once in a while."""
        now = self._services.clock()
        if self._cleaned is not None and now - self._cleaned < _CLEANED_EVERY:
            return
        self._cleaned = now
        after = ""
        while queues := await self._queues.all(after):
            for queue in queues:
                await self._queues.forget(queue, now - timedelta(days=KEPT_DAYS))
            await self._queues.close_orphans(queues, now)
            after = queues[-1].endpoint_id

    async def _release(self) -> None:
        try:
            await self._lead.release(self._services.clock())
        except UnavailableError as error:
            logger.info("the lead of the webhooks is released when its lease ends: %s", error)


def moment_of(version: Version) -> datetime:
    """The second of a version, by the database's clock."""
    return datetime.fromtimestamp(version >> 32, UTC)


def _alters_endpoints(change: Change) -> bool:
    """Whether a change is one after which others may have to be told."""
    if change.table != ENDPOINTS:
        return False
    return change.fields is None or not change.fields.isdisjoint({"enabled", "events"})


def _ends(stream: ChangeStream, changes: Sequence[Change]) -> list[Position]:
    return [end_of(stream.position), *map(position_of, changes[-1:])]
