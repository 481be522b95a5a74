"""One process of the server: connections, live engine and uvicorn, from start to a clean end."""

import gc
import logging
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

import uvicorn

from datastore.settings import Settings
from gql.app import create_app, open_service, open_services
from gql.webhooks import Webhooks, open_webhooks
from gql.websocket import uvicorn_options
from gql.working import Working, open_worker

logger = logging.getLogger("tillstream")

BACKLOG = 2048
SHUTDOWN_SECONDS = 5
"""How long requests under way may take when the process is told to stop."""


async def run_server(settings: Settings, listening: socket.socket | None = None) -> None:
    """Serves until SIGINT or SIGTERM; `listening` is a socket that is bound already, else one is bound to the settings' host and port.

    Raises UnavailableError where MongoDB or the S3 store do not answer, OSError where the port is taken.
    """
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        await services.outside.blobs.prepare()
        service = await stack.enter_async_context(open_service(services))
        working = await stack.enter_async_context(open_worker(services, service))
        webhooks = await stack.enter_async_context(open_webhooks(services, service.engine)) if settings.job_slots else None
        background = {"worker": working, "webhooks": webhooks}
        app = create_app(service, services, {name: _goes_on(task) for name, task in background.items() if task is not None})
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            **uvicorn_options(settings),
        )
        bound = listening or bind(settings.host, settings.port)
        host, port = bound.getsockname()[:2]
        # What is there now stays for good: a full collection that walked over it, too, would halt everything for twice as long.
        gc.collect()
        gc.freeze()
        logger.info("serving on http://%s:%s", host, port)
        await uvicorn.Server(config).serve(sockets=[bound])


def _goes_on(task: Working | Webhooks) -> Callable[[], bool]:
    return lambda: task.alive


def bind(host: str, port: int, *, else_any: bool = False) -> socket.socket:
    """A socket that listens on the port; with `else_any`, to any free one where that is taken.

    Raises OSError, saying what to do, where it can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if not else_any:
            raise OSError(error.errno, f"port {port} on {host} can't be had ({error.strerror}): choose another with --port") from error
        return bind(host, 0)
    return bound
