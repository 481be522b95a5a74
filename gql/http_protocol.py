"""uvicorn's HTTP protocol, for servers that stop while clients go on.

uvicorn 0.54 waits for every response when it is told to stop, and for ever for a client that takes nothing any more. A streaming response
finds a `Lifeline` in its scope, by which both get an end: the client sees a broken stream and comes back, to another process.

It also resets a connection that waits for a request, though one may be on its way; its client can't know whether it was carried out. Here
such a connection has a moment to bring it, is answered, and told that it is the last.
"""

import asyncio
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "tillstream.lifeline"
# How long a client may take, when the server stops, to read what is still in its buffer.
_LINGER_SECONDS: Final = 1.0
# How long a request that the client has sent may be on its way when the server stops.
_ON_ITS_WAY_SECONDS: Final = 0.3


class Lifeline:
    """The connection of one response, as the response knows it."""

    __slots__ = ("_transport", "endless")

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self.endless = False
        """Whether there is no use in waiting for the end of the response."""

    def cut(self) -> bool:
        """Ends the connection, whatever its client has not read yet; whether there was one to end."""
        if self._transport is not None:
            self._transport.abort()
        return self._transport is not None


def lifeline_of(scope: Scope) -> Lifeline:
    """What this module's protocol left in the scope; under another server one that does nothing."""
    lifeline = scope.get("extensions", {}).get(EXTENSION)
    return lifeline if isinstance(lifeline, Lifeline) else Lifeline(None)


class HTTPProtocol(HttpToolsProtocol):
    """Gives each request a lifeline; when the server stops, ends endless responses and answers what is on its way."""

    _stopping = False

    def on_message_begin(self) -> None:
        """Begins a request."""
        super().on_message_begin()
        extensions: dict[str, Any] = {EXTENSION: Lifeline(self.transport)}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Starts to answer a request."""
        super().on_headers_complete()
        if self._stopping and self._answering():
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Ends the connection as soon as its response ends, at once where that has no end, and after a moment where nothing is asked."""
        self._stopping = True
        if not self._answering():
            self.loop.call_later(_ON_ITS_WAY_SECONDS, self._close_unless_answering)
            return
        super().shutdown()
        if not lifeline_of(dict(self.cycle.scope)).endless:
            return
        self.transport.close()
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.flow.resume_writing()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _close_unless_answering(self) -> None:
        if not self._answering():
            self.transport.close()

    def _answering(self) -> bool:
        # Before its first request a connection has none, whatever the annotation says.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete
