"""Statements of the ledger, sent by mail to whoever asks for one."""

from datetime import date
from typing import Annotated, Final

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from resolvers import statement_mail
from resolvers.days import EARLIEST, LATEST, Days, check_day
from resolvers.functions import MutationContext, mutation
from resolvers.jobs import Job

MOST_DAYS: Final = 3660
"""Ten years and a few days."""


@mutation
async def email_statement(
    ctx: MutationContext,
    from_: Annotated[date, strawberry.argument(name="from", description="The first day, from 2000 on.")],
    to: Annotated[date, strawberry.argument(description="The last day, not before the first, less than ten years after it.")],
) -> Job:
    """Sends a statement of your ledger as a PDF to your own e-mail address: its entries between the balances before and after."""
    ctx.db.require("list", tables.LedgerEntry)
    first, last = check_day(from_, LATEST, "from"), check_day(to, LATEST, "to")
    Days.between(from_, to)
    if (to - from_).days >= MOST_DAYS:
        raise InvalidInputError.of("to", f"must be less than ten years after `from` ({EARLIEST} at the earliest)")
    job = await ctx.schedule(statement_mail.email_statement, {"first": first, "last": last})
    return Job.of(job)
