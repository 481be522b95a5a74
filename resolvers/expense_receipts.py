"""The receipts of expenses: files that the books rest on."""

import asyncio
from collections.abc import Sequence
from typing import Final

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.functions import MutationContext
from resolvers.stored_files import usable_file

MOST_RECEIPTS: Final = 20
"""Of one expense."""

KINDS: Final = ("image/", "application/pdf", "application/xml", "text/plain")
"""What receipts come as: photos and scans, PDF, electronic invoices."""


async def receipts_of(db: Reader, expense_id: str) -> Sequence[tables.File]:
    """The files that are receipts of an expense, in their order."""
    page = await db.page(tables.ExpenseReceipt, "by_expense", (expense_id,), first=MOST_RECEIPTS)
    files = await asyncio.gather(*(db.get(tables.File, row.file_id) for row in page.rows))
    return [file for file in files if file is not None]


async def put_receipts(ctx: MutationContext, expense_id: str, file_ids: Sequence[str]) -> None:
    """Makes these files the receipts of an expense, instead of those that it had.

    Raises InvalidInputError and NotFoundError, naming the place in `input.receiptIds`.
    """
    if len(file_ids) > MOST_RECEIPTS:
        raise InvalidInputError.of("input.receiptIds", f"must be at most {MOST_RECEIPTS} files")
    before = await ctx.db.scan(tables.ExpenseReceipt, "by_expense", (expense_id,), first=MOST_RECEIPTS)
    if [row.file_id for row in before] == list(file_ids):
        return
    for place, file_id in enumerate(file_ids):
        path = f"input.receiptIds.{place}"
        if file_id in file_ids[:place]:
            raise InvalidInputError.of(path, "the same file is named twice")
        await usable_file(ctx.db, file_id, path, KINDS)
    for row in before:
        await ctx.db.delete(row)
    await ctx.db.insert_all([_receipt(ctx, expense_id, file_id, place) for place, file_id in enumerate(file_ids)])


async def check_no_receipt(db: Writer, file: tables.File) -> None:
    """Raises ConflictError, naming the expense, for a file that is a receipt.

    Safe against becoming one at the same moment: that guards the file's row, which whoever asks here is about to write.
    """
    for row in await db.scan(tables.ExpenseReceipt, "by_file", (file.id,), first=1):
        expense = await db.get(tables.Expense, row.expense_id)
        named = "" if expense is None else f" of {expense.incurred_on}{f', {expense.vendor}' if expense.vendor else ''}"
        raise ConflictError(f"“{file.name}” is a receipt of the expense {row.expense_id}{named}; take it off there first.")


def _receipt(ctx: MutationContext, expense_id: str, file_id: str, position: int) -> tables.ExpenseReceipt:
    return tables.ExpenseReceipt(
        id=tables.ExpenseReceipt.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        expense_id=expense_id,
        file_id=file_id,
        position=position,
    )
