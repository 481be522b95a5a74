"""The ledger: every amount of money that came in or went out, written once; what was wrong is reversed by another entry.

Internal: the modules whose rows move money post here in the transactions that write those rows. `transactions.py` shows the entries.
"""

from datetime import datetime
from itertools import islice
from typing import Final, Literal

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError
from datastore.writing import Writer
from resolvers.functions import MutationContext

Kind = Literal["SALE", "REFUND", "EXPENSE", "MANUAL"]

_BATCH: Final = 1000


async def post(  # noqa: PLR0913 (the columns of an entry)
    ctx: MutationContext,
    *,
    kind: Kind,
    currency: str,
    amount_minor: int,
    description: str,
    occurred_at: datetime,
    occurred_on: str,
    source_id: str | None = None,
    reverses_id: str | None = None,
) -> tables.LedgerEntry:
    """Writes an entry of a signed amount: money that came in is positive. The books of the day are kept apart, by `summaries.Tallies`."""
    return await ctx.db.insert(
        tables.LedgerEntry(
            id=tables.LedgerEntry.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=ctx.scope.account_id,
            kind=kind,
            currency=currency,
            amount_minor=amount_minor,
            description=description,
            occurred_at=occurred_at,
            occurred_on=occurred_on,
            source_id=source_id,
            reverses_id=reverses_id,
            recorded_by_id=ctx.scope.user_id,
        )
    )


async def reverse(ctx: MutationContext, entry: tables.LedgerEntry, description: str) -> tables.LedgerEntry:
    """Writes the entry that takes another back, on the same day, so that the books read as if that had not been.

    Raises ConflictError where the entry was reversed before, or reverses another itself.
    """
    if entry.reverses_id is not None:
        raise ConflictError("This transaction reverses another; record a new one instead.")
    if await _is_reversed(ctx.db, entry):
        raise ConflictError("This transaction was reversed already.")
    return await post(
        ctx,
        kind=entry.kind,
        currency=entry.currency,
        amount_minor=-entry.amount_minor,
        description=description,
        occurred_at=entry.occurred_at,
        occurred_on=entry.occurred_on,
        source_id=entry.source_id,
        reverses_id=entry.id,
    )


async def standing_entry(db: Writer, source_id: str) -> tables.LedgerEntry:
    """The entry of a sale, refund or expense that has not been reversed; there is one at most. Raises NotFoundError where there is none.

    It is nearly always the newest. But all changes of one request bear the same time, and clocks of processes differ, so where it is not,
    all entries are read, and those that reverse one another paired off.
    """
    left: dict[str, tables.LedgerEntry] = {}
    reversed_ids: set[str | None] = set()
    last = None
    while entries := await db.scan(tables.LedgerEntry, "by_source", (source_id,), first=_BATCH, descending=True, after=last):
        last = entries[-1]
        reversed_ids |= {entry.reverses_id for entry in entries}
        left |= {entry.id: entry for entry in entries if entry.reverses_id is None}
        left = {id: entry for id, entry in left.items() if id not in reversed_ids}
        for newest in islice(left.values(), 1):
            if not await _is_reversed(db, newest):
                return newest
    raise NotFoundError("There is no transaction of this that was not reversed.")


async def _is_reversed(db: Writer, entry: tables.LedgerEntry) -> bool:
    return await db.find(tables.LedgerEntry, "by_reversed", entry.id) is not None
