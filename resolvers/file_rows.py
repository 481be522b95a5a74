"""The rows of files, and what they take of their account's quota: every path by which a file comes, changes its state, or goes.

A file takes its size from the moment that its upload is signed until its row is deleted. All of that is counted up in one row an account,
which two transactions cannot write at once: so the quota holds however many uploads are begun together.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.writing import Writer
from resolvers.functions import MutationContext
from resolvers.storage import arriving_key, blob_prefix
from resolvers.thumbnails import plan_thumbnails

LINGERS: Final = timedelta(days=1)
"""How long a file stays to be looked at that is still being verified, or was refused."""


async def add_file(db: Writer, row: tables.File, quota_bytes: int) -> tables.File:
    """Stores a new file's row. Raises ConflictError where the account would then have more than its quota."""
    stored = await db.insert(row)
    await _count(db, 1, row.size_bytes)
    usage = await db.find(tables.StorageUsage, "by_key")
    if usage is not None and usage.bytes > quota_bytes:
        room = max(0, quota_bytes - usage.bytes + row.size_bytes)
        raise ConflictError(f"The business may store {quota_bytes:,} bytes, of which {room:,} are free: delete files, and empty the bin.")
    return stored


async def remove_files(db: Writer, rows: Sequence[tables.File]) -> list[tables.File]:
    """Deletes files for good, and gives back what they took; those that are gone. What something else holds on to stays where it is."""
    gone = []
    for row in rows:
        try:
            await db.delete(row)
        except ConflictError:  # nothing was written: it is referred to (where it was deleted meanwhile, the transaction fails as a whole)
            continue
        await doom(db, blob_prefix(row.account_id, row.id))
        await doom(db, arriving_key(row))
        gone.append(row)
    await _count(db, -len(gone), -sum(row.size_bytes for row in gone))
    return gone


async def doom(db: Writer, prefix: str) -> None:
    """Has the file store delete everything whose key begins so, once this transaction has committed, as soon as it can."""
    await db.insert(
        tables.DoomedBytes(
            id=tables.DoomedBytes.new_id(), created_at=db.now, updated_at=db.now, account_id=db.scope.account_id, prefix=prefix
        )
    )


async def note_parts(ctx: MutationContext, file_id: str, upload_id: str, blob: str) -> tables.File:
    """Says by which upload in parts a new file comes."""
    row = await ctx.db.get_existing(tables.File, file_id, "fileId")
    return await ctx.db.update(row, upload_id=upload_id, blob=blob)


async def settle(ctx: MutationContext, file_id: str, blob: str, sha256: str) -> tables.File:
    """Makes a file visible whose bytes have been verified; where that was done meanwhile, the file as that left it."""
    db = ctx.db.for_business  # whoever uploaded it may have lost their role since
    row = await db.get_existing(tables.File, file_id, "fileId")
    if row.status not in {"PENDING", "VERIFYING"}:
        return row
    settled = await db.update(row, status="READY", blob=blob, sha256=sha256, upload_id=None, lapses_at=None, problem=None)
    await plan_thumbnails(ctx, settled)
    return settled


async def refuse(ctx: MutationContext, file_id: str, problem: str) -> tables.File:
    """Says why a file that was being verified never becomes visible. It stays for a day, and its bytes go with it."""
    db = ctx.db.for_business
    row = await db.get_existing(tables.File, file_id, "fileId")
    if row.status != "VERIFYING":
        return row
    return await db.update(row, status="REFUSED", problem=problem, upload_id=None, lapses_at=ctx.now + LINGERS)


async def note_bytes(ctx: MutationContext, file_id: str, *, there: bool) -> None:
    """Says that the bytes of a file that should be there are lost, or that lost ones are there again."""
    db = ctx.db.for_business
    row = await db.get(tables.File, file_id)
    if row is not None and row.status == ("LOST" if there else "READY"):
        await db.update(row, status="READY" if there else "LOST")


def new_file(ctx: MutationContext, *, name: str, content_type: str, size: int, lapses_at: datetime | None) -> tables.File:
    """A file that is yet to come, in no folder."""
    return tables.File(
        id=tables.File.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=name,
        content_type=content_type,
        size_bytes=size,
        sha256=None,
        status="PENDING",
        problem=None,
        folder_id=None,
        uploaded_by_id=ctx.scope.user_id,
        blob=None,
        upload_id=None,
        lapses_at=lapses_at,
        deleted_at=None,
        origin=None,
    )


async def _count(db: Writer, files: int, size: int) -> None:
    await db.tally(tables.StorageUsage, {(): {"files": files, "bytes": size}})
