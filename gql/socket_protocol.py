"""uvicorn's websocket protocol, less two weaknesses against hostile clients, and with a way to write without waiting.

Backpressure, as uvicorn 0.54 has it: `send` waits while the transport's write buffer is above its high-water mark (64 KiB), and returns as
soon as a frame is in that buffer; reading is paused while a message waits to be received. So whoever awaits each `send` before making the
next frame keeps at most that mark and one frame for each socket, however slowly its client reads. `gql.sockets` does.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql.sockets import PONG_FRAME, connection_served

# How long a socket that we are done with may take to read what is still in its buffer.
_LINGER_SECONDS: Final = 10.0
_INVALID_DATA: Final = 1007
# RFC 6455, section 5.2: a whole text message in one frame, unmasked as a server's are, and how longer ones tell their length.
_WHOLE_TEXT: Final = 0x81
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_PONG: Final = PONG_FRAME.encode()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A client that never reads kept its socket for ever, and text that is not UTF-8 logged a traceback. Not so here."""

    on_pong: Callable[[], bool] | None = None

    async def run_asgi(self) -> None:
        """Carries out the app, and cuts the connection some seconds after it returned, even if the client reads nothing any more."""
        connection_served.set(self)
        await super().run_asgi()
        if not self.disconnected:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Passes a whole message on, or closes with 1007 where it is text that is not UTF-8. The pong that is awaited wakes nobody."""
        if self.curr_msg_data_type == "text" and self.frames == [_PONG] and self.on_pong is not None and self.on_pong():
            self.frames = []
            return
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.conn.send_close(_INVALID_DATA, "not UTF-8")
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def write_now(self, text: bytes) -> bool:
        """Writes a text frame, unless the transport has enough to write already, or the connection is at its beginning or its end."""
        open_now = self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())
        if not open_now or not self.writable.is_set():
            return False
        self.transport.write(_frame_header(len(text)) + text)
        return True


def _frame_header(length: int) -> bytes:
    if length < _TWO_BYTES:
        return bytes((_WHOLE_TEXT, length))
    if length < 1 << 16:
        return bytes((_WHOLE_TEXT, _TWO_BYTES)) + length.to_bytes(2)
    return bytes((_WHOLE_TEXT, _EIGHT_BYTES)) + length.to_bytes(8)


def _is_utf8(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True
