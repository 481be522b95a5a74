"""A server outside, which counts what is done to it: how often under each idempotency key."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def effect_server() -> AsyncGenerator[tuple[int, Counter[str]], None]:
    """Runs one; its port, and the counts as they grow."""
    counts: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            counts[head.partition("Idempotency-Key: ")[2].partition("\r\n")[0]] += 1
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked was killed: before it was counted, or after
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], counts
