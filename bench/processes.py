"""Processes of a benchmark's own, spoken to in lines of JSON, and what the kernel says of a process (Linux: proc(5))."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LINE_BYTES = 1 << 24
_STOP_SECONDS = 10.0


class Child:
    """A program of this package: every line that it is sent is a request, every line of its output the answer to one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one request; raises RuntimeError where the program has ended."""
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise RuntimeError("the program was started without pipes")
        writer.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
        if not line:
            raise RuntimeError(f"a program of the benchmark has ended before it answered {op!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def program(module: str, *arguments: str) -> AsyncGenerator[Child, None]:
    """Runs `python -m module arguments` until the context ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    try:
        yield Child(process)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks it to end, and makes it end where it has too much to do to listen."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """What a process has used of a core since it started, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """The memory that a process has in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
