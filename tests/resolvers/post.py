"""A post office for tests: services whose mail goes to a real SMTP server in this process, and what came of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

from resolvers.mail import Mailer
from resolvers.services import Services
from tests.jobs import work_off
from tests.resolvers.paperwork import pages_of
from tests.smtp import MailServer, mail_server


@dataclass(frozen=True)
class Post:
    """The server, and the services whose actions send to it."""

    server: MailServer
    services: Services

    async def work(self, until: datetime | None = None) -> None:
        """Carries out all that is due, now or, as if that had come, by a moment."""
        await work_off(self.services, until=until)

    @property
    def messages(self) -> list[EmailMessage]:
        """What was taken, in order."""
        return [taken.message for taken in self.server.taken]

    @property
    def recipients(self) -> list[str]:
        """Who was written to, sorted."""
        return sorted(recipient for taken in self.server.taken for recipient in taken.recipients)


@asynccontextmanager
async def post_office(services: Services) -> AsyncIterator[Post]:
    """Opens one."""
    async with mail_server() as server:
        changes = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_tls": "none", "mail_from": "Till <till@shop.example>"}
        mailer = Mailer(services.settings.model_copy(update=changes))
        yield Post(server, replace(services, outside=replace(services.outside, mail=mailer)))


def text_of(message: EmailMessage) -> str:
    """A mail's text; spaces of all widths are plain."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").replace("\N{NO-BREAK SPACE}", " ")


def pdf_of(message: EmailMessage) -> tuple[str, str]:
    """The name of a mail's one attachment, and what that PDF says."""
    [attachment] = message.iter_attachments()
    assert attachment.get_content_type() == "application/pdf"
    return str(attachment.get_filename()), "\n".join(pages_of(attachment.get_content()))
