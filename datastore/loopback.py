"""Ports of the loopback interface, which no other machine can reach."""

import asyncio
import socket
from contextlib import ExitStack, closing, suppress

LOOPBACK = "127.0.0.1"


def free(port: int) -> bool:
    """Tell whether a server could listen on a port just now."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Find different ports that are free just now. Another process may be faster to use one."""
    with ExitStack() as stack:  # all are held at once, so that they differ
        sockets = [stack.enter_context(closing(socket.create_server((LOOPBACK, 0)))) for _ in range(count)]
        return tuple(each.getsockname()[1] for each in sockets)


async def listens(port: int) -> bool:
    """Tell whether anything accepts connections on a port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
