"""Answers that are made while they are sent: as fast as the client takes them and no faster, and no longer than it stays."""

import asyncio
import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final
from urllib.request import parse_http_list

from starlette.types import Receive, Scope, Send

from gql.disconnection import ClientLeftError, disconnected, while_connected
from gql.http_protocol import lifeline_of
from resolvers.routes import Download

logger = logging.getLogger("tillstream")

STALLED_SECONDS: Final = 60.0
"""How long a client may take nothing before its connection is cut."""

_GZIP_LEVEL: Final = 1
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip, or all there is, without q=0 (RFC 9110, section 12.5.3)."""
    for element in parse_http_list(accept_encoding):
        coding, _, quality = element.lower().replace(" ", "").partition(";q=")
        if coding in {"gzip", "*"}:
            return quality.strip("0.") != "" or not quality
    return False


async def send_download(
    download: Download, headers: dict[str, str], *, compressed: bool, scope: Scope, receive: Receive, send: Send
) -> None:
    """Sends a download, whose first piece is made before its status is.

    Raises what that raises. What goes wrong later ends the connection, so that the client knows it has not all; ClientLeftError is raised
    where the client leaves.
    """
    async with aclosing(download.chunks) as chunks:
        first = await anext(chunks, b"")
        named = {
            "Content-Type": f"{download.media_type}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{download.name}"',
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
            **({"Content-Encoding": "gzip"} if compressed else {}),
            **headers,
        }
        encoded = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await while_connected(_send_all(_gzipped(first, chunks) if compressed else _joined(first, chunks), send), receive)
        except ClientLeftError:
            raise
        except Exception as error:  # noqa: BLE001  the status is sent already: all that is left is to end the connection
            logger.warning("a download of %s was cut off: %r", scope["path"], error)
            if lifeline_of(scope).cut():
                await disconnected(receive)


async def _send_all(pieces: AsyncIterator[bytes], send: Send) -> None:
    async for piece in pieces:
        async with asyncio.timeout(STALLED_SECONDS):
            # uvicorn takes a piece when there is room for it: the next one is made after that.
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _joined(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


async def _gzipped(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    gzip = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_FORMAT)
    async for chunk in _joined(first, chunks):
        if piece := gzip.compress(chunk):
            yield piece
    yield gzip.flush()
