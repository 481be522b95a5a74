"""Work that is done for a client of HTTP, and only while it is there."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from starlette.types import Receive

T = TypeVar("T")

_WATCH_AFTER_SECONDS: Final = 0.02


class ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


async def while_connected(work: Awaitable[T], receive: Receive) -> T:
    """The result of the work, which is cancelled when the client goes. Raises ClientLeftError then.

    Nobody looks before a moment has passed: most work is done by then, and a look-out is a task that costs a tenth of it.
    """
    this, loop = asyncio.current_task(), asyncio.get_running_loop()
    lookouts: list[asyncio.Task[None]] = []
    timer = loop.call_later(_WATCH_AFTER_SECONDS, lambda: lookouts.append(loop.create_task(_cancel_when_gone(receive, this))))
    try:
        return await work
    except asyncio.CancelledError:
        if this is None or not any(lookout.done() for lookout in lookouts) or this.uncancel() > 0:
            raise  # It is the server that stops.
        raise ClientLeftError from None
    finally:
        timer.cancel()
        for lookout in lookouts:
            lookout.cancel()
            await asyncio.wait({lookout})


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel_when_gone(receive: Receive, task: asyncio.Task[Any] | None) -> None:
    await disconnected(receive)
    if task is not None:
        task.cancel()
