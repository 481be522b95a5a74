"""Calling URLs that callers gave us, without being made to call our own network (server-side request forgery).

    outward = Outward(allow_private=False)
    answer = await outward.post(checked_url("https://example.org/hook"), headers, body, seconds=10)

A name is looked up here, each of its addresses is judged (`resolvers/addresses.py`), and the connection goes to an address that was
judged: a name that leads elsewhere a moment later (DNS rebinding) is judged again, for that is another connection. The name still stands
in `Host` and in the TLS handshake, whose certificate must be good for it. Redirects are not followed, proxies of the environment are not
used, and of an answer only the first kilobytes are read.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from resolvers.addresses import is_public, parsed_address

LONGEST_URL: Final = 2048
MOST_ANSWER_BYTES: Final = 4096
"""Of an answer that are read; the connection is closed on what goes beyond."""

PORTS: Final = frozenset({443, 8443})
"""Ports that may be called, so that nobody has other services of somebody's spoken to."""

_HTTPS_PORT, _LAST_PORT = 443, 65_535
_CONNECTIONS: Final = 1000
_KEPT_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than the five seconds that many servers do."""
_ADDRESSES_TRIED: Final = 3
_LOOKUPS: Final = 32
_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for a port. Raises OSError where it has none."""


class CallFailedError(Exception):
    """There was no answer. Its text is safe to show to who gave the URL."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the first bytes of the body, and how long it took."""

    status: int
    body: bytes
    seconds: float


def checked_url(text: str, *, allow_private: bool = False) -> str:
    """The URL in its normal form. Raises ValueError, saying why, for one that will not be called.

    `allow_private` is for development: also unencrypted, at any port, in our own network.
    """
    if len(text) > LONGEST_URL or not text.isprintable():
        raise ValueError(f"must be a URL of at most {LONGEST_URL:,} characters")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise ValueError("must be a URL") from None
    if url.scheme != "https" and not (allow_private and url.scheme == "http"):
        raise ValueError("must begin with https://")
    if not url.host or not 1 <= (url.port or _HTTPS_PORT) <= _LAST_PORT:
        raise ValueError("must name a host, and no port that there is not")
    if parsed_address(url.host) is None and not _NAME.fullmatch(url.raw_host.decode("ascii")):
        raise ValueError("must be a URL whose host is a name or an address")
    if url.userinfo or url.fragment:
        raise ValueError("must hold no user, no password and no fragment")
    if not allow_private:
        _check_public(url)
    return str(url)


def _check_public(url: httpx.URL) -> None:
    """Refuses what can be seen to lead into our own network; where names lead is judged when they are called."""
    if (url.port or _HTTPS_PORT) not in PORTS:
        raise ValueError(f"must use one of the ports {', '.join(map(str, sorted(PORTS)))}")
    name = url.host.rstrip(".").lower()
    if parsed_address(name) is not None:
        if not is_public(name):
            raise ValueError("must lead to the public internet")
    elif "." not in name or name.endswith(_LOCAL_NAMES):
        raise ValueError("must name a host of the public internet")


class SystemLookup:
    """The system's way to look up names, on threads of its own: a name server that hangs holds up no other work.

    Whoever asks for a name that is being looked up waits for the same answer.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name. Raises OSError."""
        asked = (host, port)
        if asked not in self._under_way:
            looked_up = asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host, port)
            self._under_way[asked] = looked_up
            looked_up.add_done_callback(lambda done: self._end(asked, done))
        return await asyncio.shield(self._under_way[asked])

    def close(self) -> None:
        """Looks nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _end(self, asked: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        del self._under_way[asked]
        if not done.cancelled():
            done.exception()  # who asked may have gone


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _JudgedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to names at addresses that may be called, and to no others."""

    def __init__(self, lookup: Lookup, *, allow_private: bool) -> None:
        self._lookup = lookup
        self._allow_private = allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the name's addresses. Raises CallFailedError where none of them may be called."""
        failure: Exception | None = None
        for address in await self._allowed(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise CallFailedError("No connection could be made.") from failure

    async def _allowed(self, host: str, port: int) -> Sequence[str]:
        if parsed_address(host) is not None:
            found: Sequence[str] = [host]
        else:
            try:
                found = await self._lookup(host, port)
            except (OSError, UnicodeError) as error:
                raise CallFailedError("The name of the host could not be looked up.") from error
        allowed = [address for address in found if self._allow_private or is_public(address)]
        if not allowed:
            raise CallFailedError("The host does not lead to the public internet: it will not be called.")
        return allowed[:_ADDRESSES_TRIED]


class Outward:
    """A client for URLs that callers gave. Making it opens no connection; `close` ends those that are open."""

    def __init__(self, *, allow_private: bool, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._system = SystemLookup()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=_JudgedNetwork(lookup or self._system, allow_private=allow_private),
        )

    async def post(self, url: str, headers: Mapping[str, str], content: bytes, *, seconds: float) -> Answer:
        """The answer to a POST; a redirect is an answer like any other. All of it may take `seconds`. Raises CallFailedError."""
        begun = time.monotonic()
        parts = httpx.URL(url)
        target = httpcore.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path)
        given = [(b"Host", parts.netloc), *((name.encode(), value.encode()) for name, value in headers.items())]
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline), self._pool.stream("POST", target, headers=given, content=content) as response:
                body = await _beginning(response, deadline)
                return Answer(response.status, body, time.monotonic() - begun)
        except TimeoutError as error:
            raise CallFailedError(f"There was no answer within {seconds:g} seconds.") from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout, ssl.SSLError) as error:
            raise CallFailedError(_why_not_connected(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise CallFailedError("The connection broke off before there was an answer.") from error

    async def close(self) -> None:
        """Closes what is open; what is under way fails."""
        await self._pool.aclose()
        self._system.close()


async def _beginning(response: httpcore.Response, deadline: float) -> bytes:
    """The first bytes of a body, or as much of them as comes in time, for the status says it all."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline - 0.05):
            async for chunk in response.aiter_stream():
                body += chunk[: MOST_ANSWER_BYTES - len(body)]
                if len(body) >= MOST_ANSWER_BYTES:
                    break
    except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        return body
    return body


def _why_not_connected(error: BaseException) -> str:
    """In words that say nothing of our network."""
    reason: BaseException | None = error
    while reason is not None and not isinstance(reason, ssl.SSLError):
        reason = reason.__cause__ or reason.__context__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"The certificate is not good for this host: {reason.verify_message}."
    return "No encrypted connection could be agreed on." if reason is not None else "No connection could be made."
