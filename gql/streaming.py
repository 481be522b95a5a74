"""Subscriptions as responses of HTTP that go on: the loop that `gql.sse` and `gql.multipart` share.

Backpressure, as uvicorn 0.54 has it: `send` waits while the transport's write buffer is above its high-water mark (64 KiB), before it
takes a chunk. A chunk of nothing therefore waits until there is room again and writes nothing: after it, and not before, the subscription
is asked for its next payload, which is then the newest. So a client that reads slowly costs the mark and one payload, and is sent nothing
stale.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from datastore.errors import TillstreamError
from gql.disconnection import disconnected, while_connected
from gql.errors import FormattedError, describe, describe_fault
from gql.http_protocol import lifeline_of
from gql.wire import Payload

# Proxies close what is silent for a minute, some for half of one, and a test has one that does so after fifteen seconds.
KEEP_ALIVE_SECONDS: Final = 12.0
STALLED_SECONDS: Final = 60.0


class _StalledError(Exception):
    """The client has taken nothing for too long."""


class Framing(Protocol):
    """How payloads stand in a response that goes on."""

    content_type: str
    opening: bytes
    keep_alive: bytes
    closing: bytes

    def result(self, body: bytes) -> bytes:
        """One GraphQL response."""

    def fault(self, errors: list[FormattedError]) -> bytes:
        """Why the stream ends, where that is no result of the operation."""


class Streaming:
    """One response. `stalled_seconds` is how long a client may take nothing before its connection is cut."""

    __slots__ = ("_framing", "_headers", "_keep_alive_seconds", "_open", "_request_id", "_send", "_sending", "_stalled_seconds", "_timer")

    def __init__(
        self,
        framing: Framing,
        send: Send,
        request_id: str,
        *,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._framing = framing
        self._send = send
        self._request_id = request_id
        self._keep_alive_seconds = keep_alive_seconds
        self._stalled_seconds = stalled_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._open = False

    async def respond(self, payloads: AsyncGenerator[Payload, None], scope: Scope, receive: Receive) -> None:
        """Sends the payloads as they come, until they end or the client goes: then the generator is closed, and ClientLeftError raised."""
        lifeline = lifeline_of(scope)
        lifeline.endless = True
        try:
            await while_connected(self._stream(payloads), receive)
        except _StalledError:
            if lifeline.cut():
                await disconnected(receive)
        finally:
            await self._stop_keeping_alive()

    async def _stream(self, payloads: AsyncGenerator[Payload, None]) -> None:
        headers = {
            "Content-Type": self._framing.content_type,
            "Cache-Control": "no-store",
            # nginx, and those who learned it from nginx: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
            "X-Accel-Buffering": "no",
            "X-Request-Id": self._request_id,
        }
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        async with aclosing(payloads):
            await self._send({"type": "http.response.start", "status": 200, "headers": encoded})
            await self._write(self._framing.opening)
            self._open = True
            self._schedule_keep_alive()
            last = await self._results(payloads)
        await self._stop_keeping_alive()
        await self._write(last + self._framing.closing, more=False)

    async def _results(self, payloads: AsyncGenerator[Payload, None]) -> bytes:
        """Sends all but the last; returns what is still to be sent."""
        try:
            async for payload in payloads:
                if payload.final:
                    return self._framing.result(payload.body)
                await self._write(self._framing.result(payload.body))
                await self._write(b"")
        except _StalledError:
            raise
        except TillstreamError as error:
            return self._framing.fault([describe(error)])
        except Exception as error:  # noqa: BLE001  The service does not raise; if it does, only this operation may suffer
            return self._framing.fault([describe_fault(error, self._request_id)])
        return b""

    async def _write(self, chunk: bytes, *, more: bool = True) -> None:
        """Returns when the transport took the chunk. Raises _StalledError where the client lets it wait for too long."""
        try:
            async with asyncio.timeout(self._stalled_seconds):
                await self._send({"type": "http.response.body", "body": chunk, "more_body": more})
        except TimeoutError:
            raise _StalledError from None

    def _schedule_keep_alive(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._keep_alive_seconds, self._beat)

    def _beat(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._keep_alive())
        self._schedule_keep_alive()

    async def _keep_alive(self) -> None:
        """Does nothing while the client has not taken even what it was sent before; nothing may follow the end."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        if self._open:
            await self._send({"type": "http.response.body", "body": self._framing.keep_alive, "more_body": True})

    async def _stop_keeping_alive(self) -> None:
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
