"""`tillstream verify`: reads everything and says what does not add up.

Stock equals its movements, sales equal their items and refunds, numbers have no gap, every sale, refund and expense has its ledger entries,
counts and sums equal what they count and sum, what rows are found and ordered by is what they say, references lead to rows, amounts are in
the currency of their account, payments pay their sales, folders make a tree. Each group of accounts is read at one moment, while the shops
trade on.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from datastore import schema as tables
from datastore.bulk import Moment, account_ids
from datastore.database import Database
from datastore.errors import NotFoundError
from datastore.ids import check_id
from datastore.tables import OwnedRow
from resolvers.verify_columns import check_computed, computing_tables
from resolvers.verify_entries import check_sources
from resolvers.verify_folders import check_folders
from resolvers.verify_payments import check_payments
from resolvers.verify_references import check_references
from resolvers.verify_rows import Books, Findings
from resolvers.verify_sales import check_numbers
from resolvers.verify_shapes import check_shapes
from resolvers.verify_stock import check_stock
from resolvers.verify_storage import check_storage
from resolvers.verify_summaries import check_summaries

ACCOUNTS_AT_ONCE: Final = 100
"""That are read at the same moment: a server keeps its past for minutes only."""

# How often each is read, beside once for each of its references.
_READS: dict[type[OwnedRow], int] = {
    tables.Product: 1,
    tables.StockMovement: 1,
    tables.Sale: 2,
    tables.SaleItem: 1,
    tables.Refund: 3,
    tables.RefundItem: 2,
    tables.Payment: 1,
    tables.Expense: 1,
    tables.LedgerEntry: 3,
    tables.Summary: 1,
    tables.Breakdown: 1,
    tables.Folder: 1,
    tables.File: 1,
    tables.StorageUsage: 1,
}

CHECKS = (
    check_stock,
    check_numbers,
    check_payments,
    check_references,
    check_sources,
    check_summaries,
    check_folders,
    check_storage,
    check_computed,
)

_STUMBLED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of a row that a check takes for what it is not."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. `more` are findings beyond those listed; the other figures are of what was looked at."""

    findings: tuple[str, ...]
    more: int
    accounts: int
    sales: int
    entries: int
    seconds: float


async def verify(database: Database, account_id: str | None = None, *, read: Callable[[int], None] = lambda _: None) -> Verification:
    """Looks at one account or, where none is named, at all of them, and tells `read` how many rows it has just read.

    Raises NotFoundError where there is no such account, and SnapshotLostError where the server's past ends before it has been read.
    """
    begun = time.monotonic()
    findings, accounts, sales, entries = Findings(), 0, 0, 0
    async for low, high, count in groups_of_accounts(database, account_id):
        books = Books(await Moment.now(database), low, high, findings, read)
        await _check(books)
        accounts, sales, entries = accounts + count, sales + books.sales, entries + books.entries
    return Verification(tuple(findings.lines), findings.more, accounts, sales, entries, time.monotonic() - begun)


async def rows_to_read(database: Database, account_id: str | None = None) -> int:
    """About how many rows `verify` will read."""
    moment = await Moment.now(database)
    reads = dict(_READS)
    for table in computing_tables():
        reads[table] = reads.get(table, 0) + 1
    return sum([await moment.count(table, account_id) * (times + len(table.spec.references)) for table, times in reads.items()])


async def _check(books: Books) -> None:
    async for row in books.rows(tables.Settings, "by_account", ("account_id", "currency", "currency_fixed")):
        books.settings[row.account_id] = row
    named = False
    for check in CHECKS:
        try:
            await check(books)
        except _STUMBLED:
            # Over a row that is not as its table says. That one is named, and the checks that do not need it go on.
            named = named or await check_shapes(books)
            if not named:
                raise


async def groups_of_accounts(database: Database, account_id: str | None) -> AsyncIterator[tuple[str, str, int]]:
    """Ranges of accounts, and how many are in each. They leave no gap: rows of an account that is not there are looked at too."""
    if account_id is not None:
        check_id(account_id, tables.Account.spec.prefix, "business account", "--account")
        if not await (await Moment.now(database)).by_ids(tables.Account, [account_id], ()):
            raise NotFoundError("There is no such account.")
        yield account_id, f"{account_id}\0", 1
        return
    low, ids = "", await account_ids(database, after="", first=ACCOUNTS_AT_ONCE + 1)
    while len(ids) > ACCOUNTS_AT_ONCE:
        yield low, ids[-1], ACCOUNTS_AT_ONCE
        low, ids = ids[-1], [ids[-1], *await account_ids(database, after=ids[-1], first=ACCOUNTS_AT_ONCE)]
    yield low, "", len(ids)
