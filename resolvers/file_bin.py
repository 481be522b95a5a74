"""The bin: what is in it, how it is emptied, and the crons that let go what is past its time.

A file goes in two steps. The transaction that deletes its row, and gives back what it took of the quota, also writes which bytes are doomed
by that; a cron has the store delete those, and strikes them off once that is done. So nothing is lost or left where the store is down, and
no row is ever seen whose bytes are gone already.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from datastore import schema as tables
from datastore.blobs import Blobs
from datastore.due import DueFile, doomed_prefixes, due_files
from datastore.sweeping import strike_off
from resolvers.actions import ActionContext, action
from resolvers.arguments import DEFAULT_PAGE, After, First
from resolvers.audit import record
from resolvers.connections import Connection
from resolvers.crons import CronContext, cron
from resolvers.exports import RowSource
from resolvers.file_rows import LINGERS, remove_files
from resolvers.files import File
from resolvers.functions import MutationContext, QueryContext, mutation_in_turn, query
from resolvers.storage import ARRIVING

logger = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""Files that are deleted by one transaction."""

_MINUTE: Final = 60


@query
async def binned_files(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[File]:
    """The files in the bin, the last deleted first. They go for good after a while (30 days, where the operator chose nothing else)."""
    page = await ctx.db.shown.page(tables.File, "by_deleted", ("BIN",), first=first, after=after, descending=True)
    return Connection.of(page, File.of)


@mutation_in_turn
async def empty_bin(ctx: MutationContext) -> list[File]:
    """Deletes the files in the bin for good, but for those that something refers to; the ones that are gone.

    Where there are more than 100, the others follow by themselves within moments.
    """
    rows = await ctx.db.scan(tables.File, "by_deleted", ("BIN",), first=AT_ONCE + 1)
    gone = await remove_files(ctx.db, rows[:AT_ONCE])
    if gone:
        await record(ctx.db, "DELETED", detail=f"files in the bin: {len(gone)}")
    if len(rows) > AT_ONCE:
        await ctx.schedule(empty_bin_further, {"binned_before": ctx.now.isoformat()})
    return [File.of(row) for row in gone]


@action(attempts=10, timeout=3600, at_once=1, listed=False)
async def empty_bin_further(ctx: ActionContext, *, binned_before: str) -> None:
    """Deletes what was in the bin when somebody emptied it."""
    before = datetime.fromisoformat(binned_before)
    async for rows in ctx.stream(_binned, before):
        for start in range(0, len(rows), AT_ONCE):
            await ctx.mutate(purge, file_ids=[row.id for row in rows[start : start + AT_ONCE]], binned_before=before)


@cron(every=15 * _MINUTE)
async def purge_files(ctx: CronContext) -> None:
    """Deletes files that have been in the bin for long enough, and uploads that nobody completed."""
    now = ctx.now()
    binned_before = now - ctx.services.outside.storage.bin_time
    # All of a kind are listed first, because a cursor would not wait while they are deleted. Those of one account come together.
    due = [each async for each in due_files(ctx.services.database, now, binned_before)]
    for _, of_one in groupby(due, key=attrgetter("account_id")):
        await _purge_account(ctx, list(of_one), now, binned_before)


@cron(every=_MINUTE)
async def delete_doomed_bytes(ctx: CronContext) -> None:
    """Has the file store delete what is doomed. Where it does not answer, this is tried again."""
    async for doomed in doomed_prefixes(ctx.services.database):
        await delete_bytes(ctx.services.outside.blobs, doomed.prefix)
        await strike_off(ctx.services.database, tables.DoomedBytes, [doomed.id])


@cron(every=60 * _MINUTE)
async def sweep_arrivals(ctx: CronContext) -> None:
    """Has the file store delete what was uploaded and never completed, or again after it was: no file is read from there."""
    blobs, storage = ctx.services.outside.blobs, ctx.services.outside.storage
    before = ctx.now() - storage.upload_time - 2 * LINGERS
    async for blob in blobs.find(ARRIVING):
        if blob.changed_at < before:
            await blobs.delete([blob.key])


async def delete_bytes(blobs: Blobs, prefix: str) -> None:
    """Has the file store delete all objects, and all uploads in parts, whose keys begin so."""
    async for upload in blobs.open_uploads(prefix):
        await blobs.drop_parts(upload.key, upload.upload_id)
    keys: list[str] = []
    async for blob in blobs.find(prefix):
        keys.append(blob.key)
        if len(keys) >= AT_ONCE:
            await blobs.delete(keys)
            keys.clear()
    await blobs.delete(keys)


async def purge(ctx: MutationContext, file_ids: Sequence[str], binned_before: datetime, lapsed_by: datetime | None = None) -> int:
    """Deletes those of some files that are still in the bin since before a moment, or whose time was up by another; how many."""
    db = ctx.db.for_business  # what was put into the bin goes, whatever became of who put it there
    found = (await db.get_all(tables.File, list(file_ids))).values()
    due = [row for row in found if _is_due(row, binned_before, lapsed_by)]
    return len(await remove_files(db, due))


def _is_due(row: tables.File, binned_before: datetime, lapsed_by: datetime | None) -> bool:
    if row.deleted_at is not None:
        return row.deleted_at <= binned_before
    return lapsed_by is not None and row.lapses_at is not None and row.lapses_at <= lapsed_by


async def _purge_account(ctx: CronContext, due: Sequence[DueFile], now: datetime, binned_before: datetime) -> None:
    calls = ctx.on_behalf_of(due[0].account_id, due[0].user_id)
    for start in range(0, len(due), AT_ONCE):
        ids = [each.file_id for each in due[start : start + AT_ONCE]]
        await calls.mutate(purge, file_ids=ids, binned_before=binned_before, lapsed_by=now)


def _binned(source: RowSource, before: datetime) -> AsyncGenerator[tuple[tables.File, ...], None]:
    return source.rows(tables.File, "by_deleted", ("BIN",), high=before + timedelta(milliseconds=1))
