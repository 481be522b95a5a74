"""Subscriptions over HTTP, as a test reads them: whatever has come, taken apart by the letter of its protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx

LIMIT_SECONDS: Final = 20
SSE: Final = "text/event-stream"
MULTIPART: Final = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
BOTH: Final = (SSE, MULTIPART)


class Received:
    """One response that goes on, and all that came of it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.text = ""
        self.ended = False
        self.broken = False
        """The connection ended amid the response."""
        self._came = asyncio.Condition()

    @property
    def events(self) -> list[tuple[str, str]]:
        """The events that are complete: type and data."""
        return [_event(block) for block in self.text.split("\n\n")[:-1] if not block.startswith(":")]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts that are complete."""
        pieces = self.text.split("\r\n--graphql")
        assert pieces[0] == ""
        return [_part(piece) for piece in pieces[1:-1]]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The GraphQL responses so far."""
        if self.response.headers["content-type"].startswith(SSE):
            return [json.loads(data) for kind, data in self.events if kind == "next"]
        return [part["payload"] for part in self.parts if "payload" in part]

    @property
    def completed(self) -> bool:
        """Whether the server has said that the operation is over."""
        if self.response.headers["content-type"].startswith(SSE):
            return self.events[-1:] == [("complete", "")]
        return self.text.endswith("\r\n--graphql--\r\n")

    @property
    def keep_alives(self) -> int:
        """How often there was nothing to say and something was said."""
        if self.response.headers["content-type"].startswith(SSE):
            return self.text.count(":\n\n") - 1
        return self.parts.count({})

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until the condition holds after something came, or fails."""
        async with asyncio.timeout(LIMIT_SECONDS), self._came:
            await self._came.wait_for(lambda: condition() or self.ended)
        assert condition(), self.text

    async def count(self, number: int) -> None:
        """Waits for so many results."""
        await self.until(lambda: len(self.results) >= number)

    async def end(self) -> None:
        """Waits for the end of the response."""
        await self.until(lambda: self.ended)

    async def follow(self) -> None:
        """Takes what comes, until it ends."""
        try:
            async for text in self.response.aiter_text():
                await self._note(text)
        except httpx.RemoteProtocolError:
            self.broken = True
        self.ended = True
        await self._note("")

    async def _note(self, text: str) -> None:
        async with self._came:
            self.text += text
            self._came.notify_all()


@asynccontextmanager
async def streamed(
    url: str,
    query: str,
    accept: str,
    *,
    variables: dict[str, Any] | None = None,
    authorization: str | None = None,
    method: str = "POST",
) -> AsyncIterator[Received]:
    """Sends an operation and reads on while the context lasts; `url` is that of the server."""
    headers = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
    body = {"query": query, "variables": variables} if method == "POST" else None
    parameters = None if body else {"query": query, "variables": json.dumps(variables)}
    async with (
        httpx.AsyncClient(timeout=LIMIT_SECONDS) as client,
        client.stream(method, f"{url}/graphql", headers=headers, json=body, params=parameters) as response,
    ):
        received = Received(response)
        following = asyncio.create_task(received.follow())
        try:
            yield received
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _event(block: str) -> tuple[str, str]:
    lines = [line.partition(":") for line in block.split("\n")]
    fields = {name: value.removeprefix(" ") for name, _, value in lines}
    assert fields.keys() == {"event", "data"}, block
    return fields["event"], fields["data"]


def _part(piece: str) -> dict[str, Any]:
    head, _, body = piece.partition("\r\n\r\n")
    assert head == "\r\nContent-Type: application/json"
    part: dict[str, Any] = json.loads(body)
    return part
