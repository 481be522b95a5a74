"""The work of sending a statement: the entries are read a page at a time, so that any number costs little memory but that of the PDF."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from datastore import schema as tables
from datastore.reading import MAX_FIRST
from resolvers.actions import ActionContext, PermanentError, action
from resolvers.days import Days
from resolvers.functions import QueryContext
from resolvers.mail import Attachment, Mail
from resolvers.mail_rendering import write_mail
from resolvers.mailing import ATTEMPTS, FIRST_BACKOFF, BusinessMail, business_mail, deliver
from resolvers.transactions import balance_minor
from resolvers.wording import Wording

if TYPE_CHECKING:
    from resolvers.statement_pdf import StatementPdf

MOST_ENTRIES: Final = 50_000
"""About 1,200 pages: beyond that a spreadsheet serves better than a PDF."""

_TIMEOUT: Final = 900.0
_PAGES: Final = 10


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=_TIMEOUT, at_once=2)
async def email_statement(ctx: ActionContext, *, first: str, last: str) -> None:
    """Sends a statement of the days from `first` to `last` to who asked for it."""
    first_day, last_day = date.fromisoformat(first), date.fromisoformat(last)
    about = await business_mail(ctx, ctx.scope.user_id)
    with closing(await _begun(ctx, about, first_day, last_day)) as statement:
        await _draw(ctx, statement, first_day, last_day)
        pdf = await asyncio.to_thread(statement.finished)
    await deliver(ctx, statement_mail(about, statement, first_day, last_day, pdf))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some entries of a period on end, and the cursor that the next ones come after; None behind the last."""

    entries: Sequence[tables.LedgerEntry]
    next_after: str | None


async def entries_after(ctx: QueryContext, first: date, last: date, after: str | None) -> Stretch:
    """The next entries of some days, the oldest first; a thousand at most, all of one moment."""
    days = Days.between(first, last)
    entries: list[tables.LedgerEntry] = []
    for _ in range(_PAGES):
        page = await ctx.db.page(tables.LedgerEntry, "by_occurred", (), first=MAX_FIRST, after=after, low=days.low, high=days.high)
        entries += page.rows
        if not page.has_next_page:
            return Stretch(entries, None)
        after = page.cursor_at(len(page.rows) - 1)
    return Stretch(entries, after)


async def balance_before(ctx: QueryContext, day: date) -> int:
    """The sum of all entries of the days before, in minor units."""
    return await balance_minor(ctx.db, day - timedelta(days=1))


def statement_mail(about: BusinessMail, statement: "StatementPdf", first: date, last: date, pdf: bytes) -> Mail:
    """The mail that a statement goes with. The statement is in the business's language, the mail in that of who reads it."""
    words, business = about.wording, about.settings.business_name
    period = {"first": words.day(first), "last": words.day(last)}
    written = write_mail(
        "statement",
        words,
        words.text("statement.subject", business=business, **period),
        name=about.addressee.name,
        business=business,
        sums=statement.sums(words),
        **period,
    )
    name = words.text("statement.file", first=first, last=last)
    return Mail(about.addressee.email, written, business, [Attachment(name, "application/pdf", pdf)])


async def _begun(ctx: ActionContext, about: BusinessMail, first: date, last: date) -> "StatementPdf":
    """A statement without its entries."""
    wording, business = Wording.of(about.settings), about.settings.business_name
    opening_minor = await ctx.query(balance_before, day=first)

    def begin() -> "StatementPdf":
        from resolvers.statement_pdf import StatementPdf

        return StatementPdf(wording, business, first, last, opening_minor, ctx.now())

    return await asyncio.to_thread(begin)


async def _draw(ctx: ActionContext, statement: "StatementPdf", first: date, last: date) -> None:
    """Adds the entries.

    Each stretch of them is read as of its moment: one that is recorded meanwhile may be on it or not, but what is on it adds up.
    """
    after = None
    while True:
        stretch = await ctx.query(entries_after, first=first, last=last, after=after)
        await asyncio.to_thread(statement.add, stretch.entries)
        if statement.count > MOST_ENTRIES:
            raise PermanentError(f"The period has more than {MOST_ENTRIES:,} entries: export them as a table, or take fewer days.")
        if stretch.next_after is None:
            return
        after = stretch.next_after
