"""An application on a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from datastore.settings import Settings
from gql.serving import bind
from gql.websocket import uvicorn_options

LIMIT_SECONDS = 10


@asynccontextmanager
async def serving_app(app: ASGIApp, settings: Settings) -> AsyncIterator[str]:
    """The base URL of an application on uvicorn, for as long as the context lasts."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2, **uvicorn_options(settings)))
    with bind("127.0.0.1", 0) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(LIMIT_SECONDS):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving
