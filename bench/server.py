"""The servers that Tillstream is held against, each a process of its own on a free port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.processes import program
from bench.stack import Stack


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, and its process."""

    address: str
    pid: int


@asynccontextmanager
async def raw_server(stack: Stack) -> AsyncGenerator[Server, None]:
    """`bench.raw_server`, on the stack's database."""
    async with _served("bench.raw_server", stack) as server:
        yield server


@asynccontextmanager
async def naive_server(stack: Stack) -> AsyncGenerator[Server, None]:
    """`bench.naive_server`, on the stack's database."""
    async with _served("bench.naive_server", stack) as server:
        yield server


@asynccontextmanager
async def _served(module: str, stack: Stack) -> AsyncGenerator[Server, None]:
    async with program(module, *stack.database) as child:
        port = (await child.ask("port"))["port"]
        yield Server(f"127.0.0.1:{port}", child.pid)
