"""When a business is to be told of its day: in the morning, by its own clock."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from datastore import schema as tables
from resolvers.functions import MutationContext

MORNING: Final = time(7)
_DAY: Final = timedelta(days=1)


async def plan_summaries(ctx: MutationContext, settings: tables.Settings) -> None:
    """Keeps when the next daily summary is due, after the settings became these."""
    row = await ctx.db.find(tables.SummaryMail, "by_account")
    due_at = next_morning(ctx.now, settings.time_zone) if settings.daily_summary_email else None
    if row is not None:
        await ctx.db.update(row, due_at=due_at, user_id=ctx.scope.user_id)
    elif due_at is not None:
        await ctx.db.insert(
            tables.SummaryMail(
                id=tables.SummaryMail.new_id(),
                created_at=ctx.now,
                updated_at=ctx.now,
                account_id=ctx.scope.account_id,
                due_at=due_at,
                last_on=None,
                user_id=ctx.scope.user_id,
            )
        )


def next_morning(now: datetime, time_zone: str) -> datetime:
    """The first morning after a moment, UTC. A morning that the clocks skip is the moment that they do."""
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    mornings = (datetime.combine(today + days * _DAY, MORNING, zone) for days in range(3))
    return next(morning for morning in (each.astimezone(now.tzinfo) for each in mornings) if morning > now)
