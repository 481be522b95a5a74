"""Every sale, refund and expense has exactly its entries in the ledger, and reversals mirror what they reverse: a part of
`tillstream verify`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from datastore import schema as tables
from resolvers.verify_days import check_next
from resolvers.verify_rows import Books, Record, chunked

ENTRY = ("account_id", "kind", "currency", "amount_minor", "occurred_on", "occurred_at", "source_id", "reverses_id")
EXPENSE = ("account_id", "currency", "amount_minor", "tax_minor", "category_id", "incurred_on", "recurring_id", "booked_for")
CATEGORY = ("account_id", "expense_count", "currency")
RECURRING = ("account_id", "currency", "interval", "starts_on", "ends_on", "next_on")


@dataclass(frozen=True, slots=True)
class Source:
    """A row that money came or went by, and what its entry must be; `stands` is false where none may be left unreversed."""

    noun: str
    row: Record
    kind: str
    amount_minor: int
    day: str
    stands: bool = True


def check_entries(books: Books, source: Source, entries: Sequence[Record]) -> None:
    """Of the entries of a source that are no reversals, all are reversed but the one that stands."""
    row = f"{source.noun} {source.row.id}"
    reversed_ids = {entry.reverses_id for entry in entries}
    standing = [entry for entry in entries if entry.reverses_id is None and entry.id not in reversed_ids]
    if len(standing) != int(source.stands):
        wanted = "exactly one must" if source.stands else "none may"
        books.findings.add(f"{row}: {len(standing)} of its {len(entries)} ledger entries stand, but {wanted}")
    for entry in standing:
        name = f"transaction {entry.id} of {row}"
        books.findings.differ(name, "amount_minor", entry.amount_minor, source.amount_minor, f"the {source.noun} makes")
        books.findings.differ(name, "occurred_on", entry.occurred_on, source.day, f"the {source.noun} says")
    for entry in entries:
        books.findings.differ(f"transaction {entry.id} of {row}", "kind", entry.kind, source.kind, f"that of a {source.noun} is")


async def checked_expenses(books: Books) -> AsyncIterator[Record]:
    """Every expense in the order of their days, each checked, and then the counts of the categories and what recurs."""
    counts: dict[tuple[str, str], int] = {}
    booked: dict[str, str] = {}
    async for expenses in chunked(books.rows(tables.Expense, "by_incurred", EXPENSE)):
        entries = await books.of(tables.LedgerEntry, "by_source", expenses, ENTRY)
        for expense in expenses:
            books.check_currency(f"expense {expense.id}", expense)
            source = Source("expense", expense, "EXPENSE", -expense.amount_minor, expense.incurred_on)
            check_entries(books, source, entries.get(expense.id, ()))
            key = expense.account_id, expense.category_id
            counts[key] = counts.get(key, 0) + 1
            if expense.recurring_id is not None and expense.booked_for is not None:
                booked[expense.recurring_id] = max(booked.get(expense.recurring_id, ""), expense.booked_for)
            yield expense
    async for category in books.rows(tables.ExpenseCategory, "by_position", CATEGORY):
        count = counts.get((category.account_id, category.id), 0)
        books.findings.differ(f"expense category {category.id}", "expense_count", category.expense_count, count, "its expenses are")
        if category.currency is not None:
            books.check_currency(f"expense category {category.id}", category)
    async for recurring in books.rows(tables.RecurringExpense, "by_next", RECURRING):
        books.check_currency(f"recurring expense {recurring.id}", recurring)
        check_next(books.findings, recurring, booked.get(recurring.id), books.moment.time)


async def checked_entries(books: Books) -> AsyncIterator[Record]:
    """Every entry of the ledger in the order of their days; reversals are held against what they reverse."""
    async for entries in chunked(books.rows(tables.LedgerEntry, "by_occurred", ENTRY)):
        wanted = {entry.reverses_id for entry in entries if entry.reverses_id is not None}
        originals = await books.by_id(tables.LedgerEntry, wanted, ENTRY) if wanted else {}
        for entry in entries:
            books.check_currency(f"transaction {entry.id}", entry)
            if entry.reverses_id is not None:
                _check_reversal(books, entry, originals.get(entry.reverses_id))
            if (entry.source_id is None) != (entry.kind == "MANUAL"):
                books.findings.add(f"transaction {entry.id}: its kind is {entry.kind}, but its source {entry.source_id}")
            yield entry
        books.entries += len(entries)


async def check_sources(books: Books) -> None:
    """What an entry is about is there, or was an expense that has been deleted: then all its entries are reversed."""
    async for sources in chunked(_sources(books)):
        gone = {source.id: source for source in sources}
        for table in (tables.Sale, tables.Refund, tables.Expense):
            wanted = [id for id in gone if id.startswith(f"{table.spec.prefix}_")]
            for id, row in (await books.by_id(table, wanted, ("account_id",)) if wanted else {}).items():
                if row.account_id == gone[id].account_id:
                    del gone[id]
        if gone:
            entries = await books.of(tables.LedgerEntry, "by_source", list(gone.values()), ENTRY)
            for id, some in entries.items():
                _check_gone(books, id, some)


async def _sources(books: Books) -> AsyncIterator[Record]:
    """Each source that the ledger names, once."""
    last = None
    async for entry in books.rows(tables.LedgerEntry, "by_source", ("account_id", "source_id")):
        if entry.source_id is not None and (entry.account_id, entry.source_id) != last:
            last = entry.account_id, entry.source_id
            yield Record(_id=entry.source_id, account_id=entry.account_id)


def _check_gone(books: Books, source_id: str, entries: Sequence[Record]) -> None:
    reversed_ids = {entry.reverses_id for entry in entries}
    for entry in entries:
        if not source_id.startswith(f"{tables.Expense.spec.prefix}_"):
            books.findings.add(f"transaction {entry.id}: its source {source_id} is not there")
        elif entry.reverses_id is None and entry.id not in reversed_ids:
            books.findings.add(f"transaction {entry.id}: its source {source_id} is not there, but its {entry.amount_minor} is not reversed")


def _check_reversal(books: Books, entry: Record, original: Record | None) -> None:
    row = f"transaction {entry.id}"
    if original is None or original.account_id != entry.account_id:
        books.findings.add(f"{row}: the transaction {entry.reverses_id} that it reverses is not there")
        return
    whose = f"the transaction {original.id} that it reverses has"
    books.findings.differ(row, "amount_minor", entry.amount_minor, -original.amount_minor, "that of what it reverses makes")
    for column in ("kind", "occurred_on", "occurred_at", "source_id"):
        books.findings.differ(row, column, getattr(entry, column), getattr(original, column), whose)
    if original.reverses_id is not None:
        books.findings.add(f"{row}: it reverses {original.id}, which is a reversal itself")
