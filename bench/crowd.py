"""Many websocket clients in a process of their own (`bench.crowd_process`), as a benchmark speaks to them."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.processes import Child, program

OPERATION_ID = "1"


@dataclass(frozen=True, slots=True)
class Group:
    """So many sockets that say the same when they are opened, and wait for an answer to each message of it."""

    count: int
    hello: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What a crowd has received since it was last reset; `first` and `last` are as `time.perf_counter` of any process here."""

    messages: int
    bytes: int
    sockets: int
    first: float
    last: float
    sample: str


class Crowd:
    """The sockets of one such process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def open(self, url: str, groups: Sequence[Group]) -> str:
        """Opens more sockets (`ws://…`); returns the last answer to what they said."""
        address = urlsplit(url)
        spelled = [{"count": group.count, "hello": group.hello} for group in groups]
        answer = await self._child.ask("open", host=address.hostname, port=address.port, path=address.path or "/", groups=spelled)
        return str(answer["sample"])

    async def close(self) -> None:
        """Cuts all of them."""
        await self._child.ask("close")

    async def reset(self) -> None:
        """Forgets what has come."""
        await self._child.ask("reset")

    async def tally(self) -> Tally:
        """What has come."""
        return Tally(**await self._child.ask("tally"))

    async def messages(self, number: int, seconds: float = 60.0) -> Tally:
        """Waits until so many messages have come since the last reset. Raises RuntimeError where they do not."""
        tally = Tally(**await self._child.ask("await", messages=number, seconds=seconds))
        if tally.messages < number:
            raise RuntimeError(f"{tally.messages} of {number} messages came within {seconds:g} seconds")
        return tally


@asynccontextmanager
async def crowd() -> AsyncGenerator[Crowd, None]:
    """A crowd without sockets yet."""
    async with program("bench.crowd_process") as child:
        yield Crowd(child)


def watchers(count: int, token: str | None, document: str) -> Group:
    """Sockets that speak graphql-transport-ws, and have the first result of an operation when they are open."""
    payload = {} if token is None else {"authorization": f"Bearer {token}"}
    introduction = {"type": "connection_init", "payload": payload}
    subscription = {"id": OPERATION_ID, "type": "subscribe", "payload": {"query": document}}
    return Group(count, (json.dumps(introduction), json.dumps(subscription)))
