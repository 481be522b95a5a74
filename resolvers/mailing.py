"""Mail as work of jobs: sent if and only if the mutation that scheduled it committed, and tried again until it went.

A job sends one mail to one address, so that a repeat repeats nothing else. Mail about a business is for its owners: `mail_owners`
schedules one job for each of them, in the transaction of what it tells of.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from datastore import schema as tables
from datastore.errors import NotFoundError
from datastore.sealing import SealBrokenError
from datastore.writing import Writer
from resolvers.account_mails import NO_MAIL, values_of
from resolvers.actions import ActionContext, Outcome, PermanentError, action
from resolvers.functions import MutationContext, QueryContext
from resolvers.mail import AT_ONCE, Mail, MailRefusedError
from resolvers.mail_rendering import write_mail
from resolvers.settings import settings_row
from resolvers.users import Addressee, addressee
from resolvers.wording import Wording, written_locale

ATTEMPTS: Final = 14
"""With pauses that grow to an hour, about four hours: mail servers that put mail off want hours, and longer is no use."""

FIRST_BACKOFF: Final = 10.0
TIMEOUT: Final = 180.0

_MOST_MEMBERS: Final = 1000

MailAction = Callable[..., Coroutine[Any, Any, Outcome | None]]


@dataclass(frozen=True, slots=True)
class BusinessMail:
    """Who is written to about which business, and in which words: the person's language, the business's currency and time zone."""

    addressee: Addressee
    settings: tables.Settings
    wording: Wording


async def deliver(ctx: ActionContext, mail: Mail) -> None:
    """Sends the one mail of a job. Raises PermanentError where it will never go, and UnavailableError where it may go later."""
    try:
        await ctx.outside.mail.send(mail, ctx.handle)
    except MailRefusedError as refused:
        raise PermanentError(str(refused)) from refused


async def mail_owners(ctx: MutationContext, send: MailAction, arguments: Mapping[str, Any]) -> None:
    """Schedules an action that sends a mail, once for each owner of the business: `user_id` says for whom."""
    for user_id in await owners_of(ctx.db):
        await ctx.schedule(send, {"user_id": user_id, **arguments})


async def owners_of(db: Writer) -> list[str]:
    """The ids of the users who own the business."""
    members = await db.scan(tables.Member, "by_user", (), first=_MOST_MEMBERS)
    return [member.user_id for member in members if member.role == "OWNER"]


async def business_settings(ctx: QueryContext) -> tables.Settings:
    """The settings of the business that an action works for."""
    return await settings_row(ctx.db)


async def business_mail(ctx: ActionContext, user_id: str) -> BusinessMail:
    """What a mail about the business to one of its people begins with. Raises NotFoundError where they are no longer among them."""
    person = await ctx.query(addressee, user_id=user_id)
    if person is None:
        raise NotFoundError("The person is no longer a member of the business.")
    settings = await ctx.query(business_settings)
    return BusinessMail(person, settings, Wording(written_locale(person.locale), settings.currency, settings.time_zone))


async def deliver_about_business(ctx: ActionContext, about: BusinessMail, kind: str, values: Mapping[str, object]) -> None:
    """Sends a mail of a kind about the business; `values` are its templates', and its subject's."""
    business = about.settings.business_name
    subject = about.wording.text(f"{kind}.subject", business=business, **values)
    written = write_mail(kind, about.wording, subject, name=about.addressee.name, business=business, **values)
    await deliver(ctx, Mail(about.addressee.email, written, business))


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def send_mail(ctx: ActionContext, *, to: str, sealed: str) -> None:
    """Sends a mail of the system itself, as `account_mails.py` seals it: it may carry a code that nobody else may read."""
    try:
        kind, locale, values = values_of(ctx.outside.sealer.open(sealed))
    except SealBrokenError as broken:
        raise PermanentError("The mail was sealed with another secret than the server has now.") from broken
    if kind == NO_MAIL:
        return
    if "expires_at" in values and values["expires_at"] <= ctx.now():
        raise PermanentError("The code expired before the mail could be sent.")
    wording = Wording.plain(locale)
    written = write_mail(kind, wording, wording.text(f"{kind}.subject", **values), **values)
    await deliver(ctx, Mail(to, written))


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def send_webhook_disabled(ctx: ActionContext, *, user_id: str, url: str, reason: str) -> None:
    """Tells an owner that a webhook was switched off, and why."""
    await deliver_about_business(ctx, await business_mail(ctx, user_id), "webhook_disabled", {"url": url, "reason": reason})
