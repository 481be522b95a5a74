"""Crons that delete what is past its time."""

import logging
from datetime import timedelta
from typing import Final

from datastore import schema as tables
from datastore.sweeping import sweep
from resolvers.crons import CronContext, cron
from resolvers.idempotency import KEPT_FOR

JOBS_KEPT_FOR: Final = timedelta(days=30)
"""After they ended."""

_HOUR: Final = 3600

logger = logging.getLogger(__name__)


@cron(every=_HOUR)
async def sweep_idempotency_keys(ctx: CronContext) -> None:
    """Deletes the first results of mutations that are too old to be given again."""
    _tell(await sweep(ctx.services.database, tables.IdempotencyKey, "by_created", ctx.now() - KEPT_FOR), "idempotency keys")


@cron(every=_HOUR)
async def sweep_sessions(ctx: CronContext) -> None:
    """Deletes sessions that have expired."""
    _tell(await sweep(ctx.services.database, tables.Session, "by_expiry", ctx.now()), "sessions")


@cron(every=_HOUR)
async def sweep_jobs(ctx: CronContext) -> None:
    """Deletes jobs that have ended long ago."""
    _tell(await sweep(ctx.services.database, tables.Job, "by_finished", ctx.now() - JOBS_KEPT_FOR), "jobs")


def _tell(number: int, what: str) -> None:
    if number:
        logger.info("%d %s were past their time, and are deleted", number, what)
