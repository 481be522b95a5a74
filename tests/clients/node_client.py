"""A client of npm's, in a Node.js process that a test drives."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "programs"
LIMIT_SECONDS = 20

Event = dict[str, Any]


class NodeClient:
    """One process of `programs/`, and everything that it told."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._commands = 0
        self._told = asyncio.Condition()
        self._ended = False
        self.events: list[Event] = []
        self.complaints = ""

    async def ask(self, command: str, **input: Any) -> Any:
        """Gives a command, waits until it was carried out, and returns its value; a failure fails the test."""
        return await self.answer(await self.begin(command, **input))

    async def begin(self, command: str, **input: Any) -> int:
        """Gives a command; the number returned is what `answer` wants."""
        self._commands += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"number": self._commands, "command": command, "input": input}).encode() + b"\n")
        await self._process.stdin.drain()
        return self._commands

    async def answer(self, number: int) -> Any:
        """Waits until a command was carried out, and returns its value."""
        done = await self.until(lambda event: event["event"] == "done" and event["number"] == number)
        assert "failure" not in done, done["failure"]
        return done.get("value")

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Waits for the first such event, among those told already and those to come."""
        return await self._first(lambda: next((event for event in self.events if wanted(event)), None))

    async def told(self, name: str, *, number: int = 1) -> Event:
        """Waits for the event of that name that is the `number`th, and returns it."""
        return await self._first(lambda: next(islice(self.all(name), number - 1, None), None))

    async def _first(self, found: Callable[[], Event | None]) -> Event:
        try:
            async with asyncio.timeout(LIMIT_SECONDS), self._told:
                await self._told.wait_for(lambda: found() is not None or self._ended)
        except TimeoutError:
            pass  # The assertion says what came instead.
        event = found()
        assert event is not None, f"not told: {self.events}; {self.complaints}"
        return event

    def all(self, name: str) -> list[Event]:
        """The events of that name, so far."""
        return [event for event in self.events if event["event"] == name]

    async def follow(self) -> None:
        """Notes what the client tells, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            await self._note(json.loads(line))
        async with self._told:
            self._ended = True
            self._told.notify_all()

    async def _note(self, event: Event) -> None:
        async with self._told:
            self.events.append(event)
            self._told.notify_all()

    async def listen(self) -> None:
        """Notes what the client writes to stderr, until it ends."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.complaints += line.decode()


def node_path() -> str:
    """The Node.js of the environment, or else of the machine."""
    node = shutil.which("node", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert node is not None, "there is no Node.js: run `make quick`, which sees to it"
    return node


@asynccontextmanager
async def node_client(program: str, **arguments: str) -> AsyncIterator[NodeClient]:
    """Runs a program of `programs/` while the context lasts. What its libraries complain of fails the test.

    Arguments: the server's `url`, `email` and `password` of who signs in, the `transport`, and the host and port of a proxy through which
    everything `live` goes.
    """
    process = await asyncio.create_subprocess_exec(
        node_path(), str(PROGRAMS / program), json.dumps(arguments), stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=2**20
    )
    client = NodeClient(process)
    following = asyncio.gather(client.follow(), client.listen())
    try:
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await following
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert client.complaints == ""
