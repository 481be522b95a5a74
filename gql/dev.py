"""`tillstream dev`: the embedded servers, and a server of ours that restarts when a source file changes.

The embedded servers belong to this process and outlive every restart. Our own server runs as a child that inherits the listening socket,
so that a client that connects during a restart waits instead of being refused.
"""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import Process
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from watchfiles import PythonFilter, awatch

from datastore.embedded import servers
from datastore.settings import Settings, environment_of
from gql.operations import DemoShop, announced, migrate_on, seed_on
from gql.serving import bind, run_server

console = Console()

STOP_SECONDS = 10
PACKAGES = ("gql", "resolvers", "datastore")


async def run_dev(settings: Settings, *, reload: bool, seed: bool) -> None:
    """Serves until Ctrl-C. Raises EmbeddedServerError where a server can't be started here."""
    with bind(settings.host, settings.port, else_any=True) as listening:
        async with servers(settings) as ready, AsyncExitStack() as stack:
            await migrate_on(ready, quiet=True)
            if seed:
                await seed_on(ready, DemoShop())
            stack.enter_context(announced(ready))
            _say_where(ready, listening)
            if reload:
                await _serve_reloading(ready, listening)
            else:
                await run_server(ready, listening)


def _say_where(settings: Settings, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    address = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104  what was bound, not a choice
    console.print(
        Panel.fit(
            f"GraphiQL  [bold]{address}/[/]\n"
            f"GraphQL   {address}/graphql   (websocket: graphql-transport-ws)\n"
            f"MongoDB   {settings.mongodb_uri}\n"
            f"S3        {settings.s3_endpoint}\n"
            f"Data      {settings.data_dir.resolve()}\n\n"
            "A demo shop to look at: [bold]tillstream seed[/] in a second terminal. Ctrl-C stops everything.",
            title="Tillstream",
        ),
        highlight=False,
    )


async def _serve_reloading(settings: Settings, listening: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    root = Path(__file__).resolve().parent.parent
    child = await _start(settings, listening)
    try:
        async for changed in awatch(*(root / name for name in PACKAGES), watch_filter=PythonFilter(), stop_event=stopping):
            names = ", ".join(sorted({str(Path(path).relative_to(root)) for _, path in changed}))
            console.print(f"[dim]{names} changed; restarting[/]", highlight=False)
            await _stop(child)
            child = await _start(settings, listening)
    finally:
        await _stop(child)


async def _start(settings: Settings, listening: socket.socket) -> Process:
    descriptor = listening.fileno()
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gql.command", "serve", "--fd", str(descriptor)),
        env=environment_of(settings),
        pass_fds=[descriptor],
    )


async def _stop(child: Process) -> None:
    """Ends the child, gently first; one that has ended by itself (a syntax error, say) has told why on its own standard error."""
    if child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()
