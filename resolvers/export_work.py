"""The work of exporting: rows are read and written piece by piece into a file that its business then has."""

from collections.abc import AsyncGenerator
from datetime import date
from typing import Final

from datastore import schema as tables
from resolvers.actions import ActionContext, Outcome, action
from resolvers.days import Days
from resolvers.exports import ledger_entries
from resolvers.stored_files import store_result
from resolvers.table_files import CSV, XLSX, csv_chunks, sheet_chunks
from resolvers.table_texts import TRANSACTIONS

TIMEOUT: Final = 3600.0
"""A million rows take some minutes."""

_ENDINGS: Final = {CSV: "csv", XLSX: "xlsx"}


@action(attempts=5, first_backoff=10, timeout=TIMEOUT, at_once=1)
async def export_transactions(ctx: ActionContext, *, first: str, last: str, content_type: str) -> Outcome:
    """Writes the ledger's entries of some days into a file. Its progress counts days."""
    counted = _Counted(ctx, date.fromisoformat(first), date.fromisoformat(last))
    batches = counted.rows(ctx.stream(ledger_entries, Days.between(counted.first, counted.last)))
    chunks = csv_chunks(TRANSACTIONS, batches) if content_type == CSV else sheet_chunks(TRANSACTIONS, batches)
    name = f"transactions-{first}-{last}.{_ENDINGS[content_type]}"
    file_id = await store_result(ctx, name=name, content_type=content_type, chunks=chunks)
    return Outcome({"rows": counted.count}, file_id)


class _Counted:
    """Entries of some days, as they pass by."""

    def __init__(self, ctx: ActionContext, first: date, last: date) -> None:
        self._ctx = ctx
        self.first, self.last = first, last
        self.count = 0

    async def rows(
        self, batches: AsyncGenerator[tuple[tables.LedgerEntry, ...], None]
    ) -> AsyncGenerator[tuple[tables.LedgerEntry, ...], None]:
        """The entries; each batch is shown as progress."""
        days = (self.last - self.first).days + 1
        try:
            async for batch in batches:
                yield batch
                self.count += len(batch)
                await self._ctx.progress((date.fromisoformat(batch[-1].occurred_on) - self.first).days, days)
        finally:
            await batches.aclose()
