"""What becomes of the files in folders that are deleted."""

from collections.abc import Sequence
from typing import Final

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.writing import Writer
from resolvers.expense_receipts import check_no_receipt
from resolvers.functions import MutationContext

MOST_FILES: Final = 500
"""That are taken out of folders at once: one transaction has to end within seconds."""


async def is_empty(db: Writer, folder: tables.Folder) -> bool:
    """Whether nothing is in a folder. What was put into the bin from there does not count."""
    if await db.scan(tables.Folder, "by_parent", (folder.id,), first=1):
        return False
    shelves = [await db.scan(tables.File, "by_folder", (folder.id, shelf), first=1) for shelf in ("NEW", "SHOWN")]
    return not any(shelves)


async def clear_out(ctx: MutationContext, folders: Sequence[tables.Folder]) -> None:
    """Takes all files out of folders that are about to be deleted, and puts those into the bin that people see.

    Those that were in the bin stay there, uploads go on; all of them then lie in no folder. Raises ConflictError where there are too many,
    and where one is a receipt of an expense.
    """
    files: list[tables.File] = []
    for folder in folders:
        files += await ctx.db.scan(tables.File, "by_folder", (folder.id,), first=MOST_FILES + 1 - len(files))
        if len(files) > MOST_FILES:
            raise ConflictError(f"More than {MOST_FILES:,} files are in this folder, or in the bin from there; delete parts of it first.")
    for file in files:
        if file.shelf == "SHOWN":
            await check_no_receipt(ctx.db, file)
    await ctx.db.update_all([(file, _outside(ctx, file)) for file in files])


def _outside(ctx: MutationContext, file: tables.File) -> dict[str, object]:
    return {"folder_id": None, "deleted_at": ctx.now if file.shelf == "SHOWN" else file.deleted_at}
