"""Books what recurring expenses have due, in all accounts."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from datastore import schema as tables
from datastore.due import DueBooking, due_bookings
from datastore.errors import TillstreamError, UnavailableError
from datastore.reading import Reader, Snapshot
from datastore.scope import Scope
from resolvers.auth import on_behalf_of
from resolvers.crons import CronContext, cron
from resolvers.days import day_of
from resolvers.functions import Kind, Marking
from resolvers.recurring_expenses import book_due
from resolvers.runs import Run
from resolvers.services import Services

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60
"""How long after midnight, at most, a day's expenses are booked."""

_FIRST_TO_HAVE_A_DAY: Final = timedelta(hours=14)
"""Days begin first in the zone UTC+14."""

_IN_TURN: Final = Marking(Kind.MUTATION, in_turn=True)


@cron(every=EVERY_SECONDS)
async def book_recurring_expenses(ctx: CronContext) -> None:
    """Books what is due of all businesses."""
    await book_all_due(ctx.services)


async def book_all_due(services: Services) -> int:
    """Books everything that is due, each account by its own clock; how many recurring expenses had something due.

    Any number of processes may do it at once, and any of them may be killed: what is due is booked in the transaction that says so. What
    cannot be booked, because its account is busy or for another reason, is logged, holds up no other account, and is tried again in the
    next round. Raises UnavailableError where the database does not answer.
    """
    now = services.clock()
    # All are listed first, because a cursor would not wait while hundreds of them are booked. Those of one account come together.
    due = [each async for each in due_bookings(services.database, (now + _FIRST_TO_HAVE_A_DAY).date().isoformat())]
    return sum([await _book_account(services, now, list(of_one)) for _, of_one in groupby(due, key=attrgetter("account_id"))])


async def _book_account(services: Services, now: datetime, due: Sequence[DueBooking]) -> int:
    """Books what is due of one account; of how many recurring expenses that was."""
    booked, account_id = 0, due[0].account_id
    try:
        today = day_of(now, await _time_zone(services, on_behalf_of(account_id, due[0].user_id))).isoformat()
        for each in due:
            if each.due_on <= today:
                booked += await _book(services, each)
    except UnavailableError as error:
        await services.database.ping()
        logger.warning("not all that is due of %s could be booked, and will be tried again: %s", account_id, error)
    except ZoneInfoNotFoundError:
        logger.exception("nothing of %s can be booked: this machine does not know its time zone", account_id)
    return booked


async def _time_zone(services: Services, scope: Scope) -> str:
    settings = await Reader(Snapshot(services.database), scope, services.cursors).find(tables.Settings, "by_account")
    return "UTC" if settings is None else settings.time_zone


async def _book(services: Services, due: DueBooking) -> bool:
    """Books all that one recurring expense has due, in as many transactions as that takes; whether it could.

    Raises UnavailableError where its account is busy.
    """
    scope = on_behalf_of(due.account_id, due.user_id)
    once = partial(Run(services, scope).mutate, book_due, _IN_TURN, {"id": due.recurring_id}, "bookings")
    try:
        while await once():
            pass
    except UnavailableError:
        raise
    except TillstreamError:
        logger.exception("recurring expense %s of %s cannot be booked for %s", due.recurring_id, due.account_id, due.due_on)
        return False
    return True
