"""The mail that tells the owners of a business in the morning how the day before went.

`summary_plans.py` keeps when the next one is due; a cron sends what is. The transaction that schedules the mails of
a day moves on what is due next, so that however many processes there are, a day is told of once.
"""

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

from datastore import schema as tables
from datastore.due import due_summaries
from datastore.errors import TillstreamError, UnavailableError
from resolvers.actions import ActionContext, action
from resolvers.crons import CronContext, cron
from resolvers.days import day_of
from resolvers.figures import Figures, summaries_of
from resolvers.functions import MutationContext, QueryContext
from resolvers.mail import AT_ONCE
from resolvers.mailing import ATTEMPTS, FIRST_BACKOFF, TIMEOUT, business_mail, deliver_about_business, mail_owners
from resolvers.periods import Period, covering
from resolvers.settings import settings_row
from resolvers.summary_plans import next_morning
from resolvers.wording import Wording

EVERY_SECONDS: Final = 300
_DAY: Final = timedelta(days=1)

logger = logging.getLogger(__name__)


@cron(every=EVERY_SECONDS)
async def send_daily_summaries(ctx: CronContext) -> None:
    """Schedules the summaries that are due, of all businesses. One that can't be done holds up no other, and is tried again next time."""
    due = [each async for each in due_summaries(ctx.services.database, ctx.now())]
    for each in due:
        try:
            await ctx.on_behalf_of(each.account_id, each.user_id).mutate(schedule_summary)
        except UnavailableError:
            await ctx.services.database.ping()
            logger.warning("the daily summary of %s has to wait: the business is busy", each.account_id)
        except (TillstreamError, ZoneInfoNotFoundError):
            logger.exception("the daily summary of %s cannot be scheduled", each.account_id)


async def schedule_summary(ctx: MutationContext) -> None:
    """Schedules the mail about yesterday, if it is due and that day was not told of, and moves on what is due next."""
    ctx = ctx.for_business
    row = await ctx.db.find(tables.SummaryMail, "by_account")
    if row is None or row.due_at is None or row.due_at > ctx.now:
        return
    settings = await settings_row(ctx.db)
    yesterday = (day_of(ctx.now, settings.time_zone) - _DAY).isoformat()
    await ctx.db.update(row, due_at=next_morning(ctx.now, settings.time_zone), last_on=yesterday)
    if settings.daily_summary_email and (row.last_on is None or row.last_on < yesterday):
        await mail_owners(ctx, send_daily_summary, {"day": yesterday})


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def send_daily_summary(ctx: ActionContext, *, user_id: str, day: str) -> None:
    """Tells an owner how a day went, beside the day before."""
    told = date.fromisoformat(day)
    about = await business_mail(ctx, user_id)
    figures = await ctx.query(figures_of_day, day=told)
    before = await ctx.query(figures_of_day, day=told - _DAY)
    values: dict[str, Any] = {
        "day": about.wording.day(told),
        "quiet": not figures.sales_count and not figures.expenses_minor,
        "figures": shown_figures(about.wording, figures, before),
    }
    await deliver_about_business(ctx, about, "daily_summary", values)


async def figures_of_day(ctx: QueryContext, day: date) -> Figures:
    """What came and went on a day."""
    return Figures.of(await summaries_of(ctx.db.for_business, covering(Period(day, day))))


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """One line of a summary: what it was, and what it was the day before."""

    label: str
    value: str
    before: str


def shown_figures(wording: Wording, now: Figures, before: Figures) -> list[ShownFigure]:
    """The figures of a day in these words."""

    def money(minor: int | None) -> str:
        return "–" if minor is None else wording.money(minor)

    rows = [("sales", *map(wording.number, (now.sales_count, before.sales_count)))]
    for key, column in (
        ("revenue", "sales_minor"),
        ("average", "average_sale_minor"),
        ("refunds", "refunds_minor"),
        ("tax", "tax_minor"),
        ("expenses", "expenses_minor"),
        ("profit", "profit_minor"),
    ):
        rows.append((key, money(getattr(now, column)), money(getattr(before, column))))
    return [ShownFigure(wording.text(f"daily_summary.{key}"), value, previous) for key, value, previous in rows]
