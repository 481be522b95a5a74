"""The worker of a process: inside a server, where it hears the live engine's change stream, or alone, with a stream of its own."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from datastore.changes import ChangeStream, StreamLostError, matching
from datastore.database import Database
from datastore.jobs import WAKING
from datastore.settings import Settings
from gql.app import open_services
from gql.service import GraphQLService
from gql.webhooks import open_webhooks
from resolvers.services import Services
from resolvers.workers import Worker

logger = logging.getLogger("tillstream")

GRACE_SECONDS = 3.0
"""How long jobs under way may take when the process is told to stop; what takes longer is given back, and begun again elsewhere."""

_REOPEN_SECONDS = 1.0


class Working:
    """A worker and its task, as readiness asks for it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.task = asyncio.create_task(worker.run(), name="worker")
        self.task.add_done_callback(_say_how_it_ended)

    @property
    def alive(self) -> bool:
        """Whether it goes on: an error that nobody thought of ends it, and the readiness of the process with it."""
        return not self.task.done()

    async def stop(self) -> None:
        """Ends it: nothing more is begun, and what is under way is finished, or given back."""
        await self.worker.stop(GRACE_SECONDS)
        await asyncio.wait([self.task])


@asynccontextmanager
async def open_worker(services: Services, service: GraphQLService) -> AsyncGenerator[Working | None, None]:
    """A worker in the process of a server; None where the settings leave jobs to others."""
    slots = services.settings.job_slots
    if not slots or service.engine is None:
        yield None
        return
    worker = Worker(services, slots=slots)
    service.engine.listeners.append(worker)
    working = Working(worker)
    try:
        yield working
    finally:
        await working.stop()
        service.engine.listeners.remove(worker)


async def run_worker(settings: Settings) -> None:
    """Carries out jobs, and does nothing else, until SIGINT or SIGTERM.

    Raises UnavailableError where MongoDB or the S3 store do not answer, and RuntimeError where the worker ends by itself.
    """
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        await services.outside.blobs.prepare()
        working = Working(Worker(services, slots=settings.job_slots or 1))
        stack.push_async_callback(working.stop)
        webhooks = await stack.enter_async_context(open_webhooks(services, None))
        listening = await stack.enter_async_context(_running(listen(services.database, working.worker)))
        logger.info("carrying out jobs, %d at a time", settings.job_slots or 1)
        told = await stack.enter_async_context(_running(_until(stopping)))
        await asyncio.wait([told, working.task, listening, *webhooks.tasks], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            raise RuntimeError("the worker has ended by itself; the log says why")


async def listen(database: Database, worker: Worker) -> None:
    """Tells a worker of what a change stream brings, for ever: a stream that ends is followed by a fresh one."""
    while True:
        stream = ChangeStream(database, only=matching(WAKING))
        try:
            worker.begin(await stream.open())
            while True:
                worker.take(await stream.next_batch())
        except StreamLostError as error:
            logger.warning("jobs are looked for by the clock until there is a change stream again: %s", error)
        finally:
            await stream.close()
        await asyncio.sleep(_REOPEN_SECONDS)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[asyncio.Task[None], None]:
    """A task that ends with the context."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _until(event: asyncio.Event) -> None:
    await event.wait()


def _say_how_it_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the worker has ended; this process is no longer ready", exc_info=error)
