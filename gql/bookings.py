"""The background task that books recurring expenses. It becomes a cron once there are any."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from datastore.errors import UnavailableError
from resolvers.bookings import book_all_due
from resolvers.services import Services

logger = logging.getLogger("tillstream")

INTERVAL_SECONDS: Final = 60.0
"""How long after midnight, at most, a day's expenses are booked."""


class Bookings:
    """The task, as readiness asks for it."""

    def __init__(self, services: Services, interval: float) -> None:
        self._services = services
        self._interval = interval
        self._task = asyncio.create_task(self._run(), name="bookings")
        self._task.add_done_callback(_say_how_it_ended)

    @property
    def alive(self) -> bool:
        """Whether it goes on: an error that nobody thought of ends it, and the readiness of the process with it."""
        return not self._task.done()

    async def stop(self) -> None:
        """Ends it; a transaction under way is undone."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await book_all_due(self._services)
            except UnavailableError as error:
                logger.warning("recurring expenses could not be booked, and will be tried again: %s", error)
            await asyncio.sleep(self._interval)


@asynccontextmanager
async def open_bookings(services: Services, interval: float = INTERVAL_SECONDS) -> AsyncGenerator[Bookings, None]:
    """The task, running: it books what is due at once, and looks again every `interval` seconds."""
    bookings = Bookings(services, interval)
    try:
        yield bookings
    finally:
        await bookings.stop()


def _say_how_it_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the booking of recurring expenses has ended; this process is no longer ready", exc_info=error)
