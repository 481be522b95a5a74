"""Sending mail, by SMTP (RFC 5321) where a server is set up; elsewhere it is kept (`kept_mail.py`), but never in production.

A message is sent by an action, with the handle of its job: its Message-ID is made of that, so that a repeat, which at-least-once allows,
carries the same one, and mail servers and readers that look at it show it once.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.policy import EmailPolicy
from email.utils import format_datetime, getaddresses
from typing import Final

import aiosmtplib
from email_validator import EmailNotValidError, validate_email

from datastore.errors import UnavailableError
from datastore.settings import Settings
from resolvers.kept_mail import KeptMail
from resolvers.mail_rendering import Written

AT_ONCE: Final = 4
"""Connections to the mail server that one process opens at most."""

MOST_BYTES: Final = 20 * 1024 * 1024
"""Of one message; many servers take no more."""

_STEP_SECONDS: Final = 20.0
_WHOLE_SECONDS: Final = 120.0
_LONGEST_NAME: Final = 100
_PERMANENT: Final = 500
_WITHOUT_SPECIALS: Final = str.maketrans(dict.fromkeys('()<>[]:;@\\,."', " "))
"""What a name in an address may hold in quotes alone (RFC 5322, section 3.2.3)."""

# Quoted-printable or base64 throughout: no server needs to know 8BITMIME, and no relay breaks a signature by recoding.
_POLICY = SMTP_POLICY.clone(cte_type="7bit")

logger = logging.getLogger(__name__)


class MailRefusedError(RuntimeError):
    """The message will never be sent: the server refused it or its address for good, or it can't be written. Its text is safe to show."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; `content_type` is two plain tokens, as in "application/pdf"."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address, in the name of a business, or of the system where that is empty."""

    to: str
    written: Written
    sender_name: str = ""
    attachments: Sequence[Attachment] = ()


class Mailer:
    """The way out for mail. Making it opens no connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(AT_ONCE)
        kept_here = settings.smtp_host is None and settings.env != "production"
        self.kept = KeptMail(settings.data_dir / "mail") if kept_here else None
        """Where mail goes on a machine without a mail server; None where it is sent."""

    async def send(self, mail: Mail, handle: str) -> None:
        """Sends one mail, or keeps it. Raises MailRefusedError for good, and UnavailableError where it may go later."""
        sender = parsed_address(self._settings.mail_from)
        now = datetime.now(UTC)
        message = message_of(mail, sender, handle, now)
        content = message.as_bytes()
        if len(content) > MOST_BYTES:
            raise MailRefusedError(f"The message has {len(content):,} bytes, more than {MOST_BYTES:,}.")
        if self.kept is not None:
            await self.kept.keep(content, handle, now)
        elif self._settings.smtp_host is None:
            logger.error("mail cannot be sent: TILLSTREAM_SMTP_HOST is not set")
            raise MailRefusedError("This server sends no mail: its operator has not set up any.")
        else:
            await self._send(self._settings.smtp_host, sender, deliverable(mail.to), content)

    async def _send(self, host: str, sender: Address, recipient: str, content: bytes) -> None:
        options = [] if recipient.isascii() else ["SMTPUTF8"]
        async with self._slots:
            try:
                async with asyncio.timeout(_WHOLE_SECONDS), self._connected(host, sender.domain) as client:
                    await client.sendmail(sender.addr_spec, [recipient], content, mail_options=options)
            except aiosmtplib.SMTPNotSupported as lacking:
                raise _unsupported(lacking, recipient) from lacking
            except aiosmtplib.SMTPRecipientsRefused as refused:
                raise _refusal(refused.recipients[0]) from refused
            except aiosmtplib.SMTPResponseException as refused:
                raise _refusal(refused) from refused
            except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
                logger.warning("the mail server does not do as it should: %s: %s", type(error).__name__, error)
                raise UnavailableError("The mail server cannot be reached, or broke off.") from error

    @asynccontextmanager
    async def _connected(self, host: str, our_name: str) -> AsyncGenerator[aiosmtplib.SMTP, None]:
        """A connection on which mail can be sent: encrypted and signed in, as the settings say."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            use_tls=settings.smtp_tls == "implicit",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=_tls(verify=settings.smtp_verify),
            timeout=_STEP_SECONDS,
            local_hostname=our_name,
        )
        try:
            await client.connect()
            yield client
            try:
                await client.quit()
            except (aiosmtplib.SMTPException, OSError) as error:  # the message was taken; how the server says goodbye changes nothing
                logger.debug("the mail server ended the connection by itself: %s", error)
        finally:
            client.close()


def message_of(mail: Mail, sender: Address, handle: str, now: datetime) -> EmailMessage:
    """The message as it travels (RFC 5322); `handle` gives its Message-ID. Raises MailRefusedError for an address that is none."""
    mailbox, _, domain = deliverable(mail.to).rpartition("@")
    policy = _POLICY.clone(utf8=not mailbox.isascii())
    message = EmailMessage(policy=policy)
    message["Message-ID"] = f"<{hashlib.sha256(handle.encode()).hexdigest()[:40]}@{sender.domain}>"
    message["Date"] = format_datetime(now)
    message["From"] = _named(one_line(mail.sender_name)[:_LONGEST_NAME] or sender.display_name, sender, policy)
    message["To"] = Address(username=mailbox, domain=domain)
    message["Subject"] = one_line(mail.written.subject)
    # RFC 3834: nobody's out-of-office note shall answer this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.written.text)
    message.add_alternative(mail.written.html, subtype="html")
    for attachment in mail.attachments:
        kind, _, subtype = attachment.content_type.partition("/")
        message.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=one_line(attachment.name))
    return message


def _named(name: str, sender: Address, policy: "EmailPolicy[EmailMessage]") -> Address:
    """The sender under a name. Python forgets the quotes of one that it breaks into lines: such a name goes without what needs them."""
    named = Address(name, addr_spec=sender.addr_spec)
    folded = policy.fold("From", policy.header_factory("From", str(named))).partition(":")[2]
    if [address for _, address in getaddresses([folded.replace("\r\n", "")])] == [sender.addr_spec]:
        return named
    return Address(one_line(name.translate(_WITHOUT_SPECIALS)), addr_spec=sender.addr_spec)


def one_line(text: str) -> str:
    """A text without line ends and other characters that are no text: what may stand in a header, and can add none to it."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def deliverable(address: str) -> str:
    """An address as servers take it: its domain in ASCII, its mailbox in UTF-8 where it must be (RFC 6531).

    Raises MailRefusedError where it is none.
    """
    try:
        parts = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise MailRefusedError("The address is no e-mail address.") from None
    return parts.ascii_email or f"{parts.local_part}@{parts.ascii_domain}"


def parsed_address(text: str) -> Address:
    """The address in a setting such as `Shop <till@example.org>`, which is known to be well formed."""
    name, _, rest = text.rpartition("<")
    return Address(one_line(name.strip().strip('"')), addr_spec=rest.rstrip("> ").strip())


def _tls(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unsupported(lacking: aiosmtplib.SMTPNotSupported, recipient: str) -> MailRefusedError | UnavailableError:
    """What it means that a server lacks what we need: the operator mends its TLS or sign-in, but few can take addresses of all scripts."""
    logger.warning("the mail server lacks what is needed: %s", lacking)
    if recipient.isascii():
        return UnavailableError("The mail server is not set up as it should be.")
    return MailRefusedError("The mail server cannot send to an address that is not in ASCII.")


def _refusal(refused: aiosmtplib.SMTPResponseException) -> MailRefusedError | UnavailableError:
    """What a server's answer means. What it says goes to the log alone: it may name servers and addresses.

    A server that does not greet us or let us in is set up wrongly, there or here, which somebody will mend.
    """
    logger.warning("the mail server answered %d: %s", refused.code, one_line(refused.message))
    ours = isinstance(refused, aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPAuthenticationError)
    if refused.code >= _PERMANENT and not ours:
        return MailRefusedError(f"The mail server refused the address or the message ({refused.code}).")
    return UnavailableError(f"The mail server asks to try again later ({refused.code}).")
