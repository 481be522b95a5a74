"""The background tasks that send webhooks: one that turns changes into deliveries, and one that sends these."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from datastore.ids import new_id
from gql.live import LiveEngine
from resolvers.outward import Outward
from resolvers.services import Services
from resolvers.webhook_dispatch import Dispatcher
from resolvers.webhook_sending import Sender

logger = logging.getLogger("tillstream")


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The tasks, as readiness asks for them."""

    tasks: tuple[asyncio.Task[None], ...]

    @property
    def alive(self) -> bool:
        """Whether both go on: an error that nobody thought of ends one, and the readiness of the process with it."""
        return not any(task.done() for task in self.tasks)


@asynccontextmanager
async def open_webhooks(services: Services, engine: LiveEngine[Any] | None) -> AsyncGenerator[Webhooks, None]:
    """The tasks, running; the engine's change stream tells them when there is something to send."""
    client = Outward(allow_private=services.settings.webhook_allow_private)
    holder = new_id("prc")
    sender = Sender(services, client, holder)
    dispatcher = Dispatcher(services, holder, sender.wake)
    tasks = (asyncio.create_task(dispatcher.run(), name="webhooks: changes"), asyncio.create_task(sender.run(), name="webhooks: sending"))
    for task in tasks:
        task.add_done_callback(_say_how_it_ended)
    if engine is not None:
        engine.listeners.append(sender)
    try:
        yield Webhooks(tasks)
    finally:
        if engine is not None:
            engine.listeners.remove(sender)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await client.close()


def _say_how_it_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the task %s has ended; this process is no longer ready", task.get_name(), exc_info=error)
