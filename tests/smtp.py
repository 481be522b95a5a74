"""A real SMTP server for tests, in the tests' own loop: it takes mail, refuses it, hangs, or breaks off, as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LIMIT_SECONDS = 10

Step = Literal["CONNECT", "MAIL", "RCPT", "DATA"]


@dataclass
class Taken:
    """A message that the server took."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    user: str | None


@dataclass
class MailServer:
    """What the server does, and what it took."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    answers: dict[Step, list[str]] = field(default_factory=dict)
    """What is said at a step in place of yes, each answer once."""
    hangs_at: Step | None = None
    drops_at: Step | None = None
    """Where it breaks off; at DATA it does so in the middle of the message."""
    drops_after_taking: bool = False
    """Whether it takes a message, and breaks off before it says so."""
    seen: int = 0
    """Connections."""
    attempted: list[str] = field(default_factory=list)
    """The Message-IDs of all messages that came as a whole, taken or not."""
    most_at_once: int = 0
    _open: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_taken(self, count: int) -> None:
        """Waits until so many messages were taken."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.taken) < count:
                await asyncio.sleep(0.01)

    def release(self) -> None:
        """Lets go of whoever the server hangs on."""
        self._released.set()

    async def at(self, step: Step) -> str | None:
        """What to say at a step; None: go on."""
        if self.hangs_at == step:
            await self._released.wait()
        answers = self.answers.get(step)
        return answers.pop(0) if answers else None


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(self, _smtp: Any, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        answer = await self._server.at("MAIL")
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer or "250 OK"

    async def handle_RCPT(self, _smtp: Any, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        answer = await self._server.at("RCPT")
        if answer is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return answer or "250 OK"

    async def handle_DATA(self, smtp: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        message = message_from_bytes(cast("bytes", envelope.original_content), policy=default)
        self._server.attempted.append(str(message["Message-ID"]))
        answer = await self._server.at("DATA")
        if answer is not None:
            return answer
        auth = session.auth_data
        user = auth.login.decode() if isinstance(auth, LoginPassword) else None
        self._server.taken.append(Taken(str(envelope.mail_from), list(map(str, envelope.rcpt_tos)), message, session.ssl is not None, user))
        if self._server.drops_after_taking:
            cast("asyncio.Transport", smtp.transport).abort()
        return "250 OK"


class _Protocol(SMTP):
    """aiosmtpd's server, with the faults that it has no hook for."""

    def __init__(self, server: MailServer, **options: Any) -> None:
        super().__init__(_Handler(server), loop=asyncio.get_running_loop(), **options)
        self._server = server
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        if not self._counted:  # STARTTLS makes the connection anew
            self._counted = True
            server.seen += 1
            server._open += 1
            server.most_at_once = max(server.most_at_once, server._open)
        super().connection_made(transport)
        if server.drops_at == "CONNECT":
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._server._open -= 1
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if self._server.drops_at == "DATA":
            await self.push("354 go on")
            await self._reader.read(10)
            cast("asyncio.Transport", self.transport).abort()
            return
        await super().smtp_DATA(arg)


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, utf8: bool = True, passwords: dict[str, str] | None = None
) -> AsyncIterator[MailServer]:
    """A server on a free port of the loopback; with a TLS context it wants STARTTLS, or TLS from the start; with passwords a sign-in."""
    made = MailServer()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (passwords or {}).get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=False, auth_data=data)

    options: dict[str, Any] = {"hostname": "mail.example", "ident": "test", "enable_SMTPUTF8": utf8}
    if passwords is not None:
        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": tls is not None and not implicit}
    if tls is not None and not implicit:
        options |= {"tls_context": tls, "require_starttls": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(made, **options), "127.0.0.1", 0, ssl=tls if implicit else None)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.release()
        server.close()
        async with asyncio.timeout(LIMIT_SECONDS):
            while made._open:
                await asyncio.sleep(0.01)
