"""Summaries and breakdowns equal those recomputed from the rows, and the ledger says the same of each day: a part of `tillstream verify`.

Rows come in the order of accounts and days, so that a month of one account is all that is held at a time.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast, get_args

from datastore import schema as tables
from resolvers.summaries import Key, Sums, Tallies, month_of
from resolvers.verify_entries import checked_entries, checked_expenses
from resolvers.verify_rows import Books, Record
from resolvers.verify_sales import checked_refunds, checked_sales, counts

T = TypeVar("T")
_SUMMED = tuple(name for name in tables.Summary.model_fields if name.endswith(("_count", "_minor")))
_PARTS = ("count", "amount_minor")
_GRAINS: Sequence[str] = get_args(tables.Summary.model_fields["grain"].annotation)
_KINDS: Sequence[str] = get_args(tables.Breakdown.model_fields["kind"].annotation)
_LEDGER = {"SALE": ("sales_minor", 1), "REFUND": ("refunds_minor", -1), "EXPENSE": ("expenses_minor", -1), "MANUAL": ("manual_minor", 1)}
"""By the kind of an entry: the column of the day's summary that its entries make, and their sign."""


@dataclass
class _Month:
    """One month of one account: what its rows make, and what is stored of it."""

    account_id: str
    made: Tallies = field(default_factory=Tallies)
    summaries: Sums = field(default_factory=dict)
    breakdowns: Sums = field(default_factory=dict)
    ledger: dict[tuple[str, str], int] = field(default_factory=dict)
    """The sum of the entries of a day and kind."""

    def sale(self, sale_and_items: tuple[Record, Sequence[Record]]) -> None:
        sale, items = sale_and_items
        if counts(sale):
            # A record has the columns that a row has, as far as sums need them.
            self.made.sale(cast("Any", sale), cast("Any", items))

    def refund(self, refund_and_items: tuple[Record, Sequence[Record]]) -> None:
        refund, items = refund_and_items
        self.made.refund(cast("Any", refund), cast("Any", items))

    def expense(self, expense: Record) -> None:
        self.made.expense(cast("Any", expense))

    def entry(self, entry: Record) -> None:
        key = entry.occurred_on, entry.kind
        self.ledger[key] = self.ledger.get(key, 0) + entry.amount_minor
        if entry.kind == "MANUAL":
            self.made.manual(cast("Any", entry))

    def summary(self, row: Record) -> None:
        self.summaries[row.grain, row.starts_on] = {name: getattr(row, name) for name in _SUMMED}

    def breakdown(self, row: Record) -> None:
        self.breakdowns[row.kind, row.grain, row.starts_on, row.key] = {name: getattr(row, name) for name in _PARTS}


class _Source(Generic[T]):
    """Rows in the order of accounts and months, taken in a month at a time."""

    def __init__(self, rows: AsyncIterator[T], row_of: Callable[[T], tuple[str, str]], take: Callable[[_Month, T], None]) -> None:
        self._rows, self._key_of, self._take = rows, row_of, take
        self._next: T | None = None
        self.key: tuple[str, str] | None = None
        """The account and month of the next row; None at the end."""

    async def advance(self) -> None:
        self._next = await anext(self._rows, None)
        self.key = None if self._next is None else self._key_of(self._next)

    async def fill(self, month: _Month, key: tuple[str, str]) -> None:
        while self.key == key and self._next is not None:
            self._take(month, self._next)
            await self.advance()


async def check_summaries(books: Books) -> None:
    """Looks at every sale, refund, expense and ledger entry, each checked in itself, and at the sums of them all."""
    sources = _sources(books)
    for source in sources:
        await source.advance()
    while keys := [source.key for source in sources if source.key is not None]:
        key = min(keys)
        month = _Month(key[0])
        for source in sources:
            await source.fill(month, key)
        _compare(books, month)


def _sources(books: Books) -> list[_Source[Any]]:
    summary = ("account_id", "grain", "starts_on", *_SUMMED)
    breakdown = ("account_id", "kind", "grain", "starts_on", "key", *_PARTS)
    summaries = [books.rows(tables.Summary, "by_key", summary, grain=grain) for grain in _GRAINS]
    breakdowns = [books.rows(tables.Breakdown, "by_key", breakdown, kind=kind, grain=grain) for kind in _KINDS for grain in _GRAINS]
    return [
        _Source(checked_sales(books), lambda pair: _key(pair[0], pair[0].sold_on), _Month.sale),
        _Source(checked_refunds(books), lambda pair: _key(pair[0], pair[0].refunded_on), _Month.refund),
        _Source(checked_expenses(books), lambda row: _key(row, row.incurred_on), _Month.expense),
        _Source(checked_entries(books), lambda row: _key(row, row.occurred_on), _Month.entry),
        *(_Source(rows, lambda row: _key(row, row.starts_on), _Month.summary) for rows in summaries),
        *(_Source(rows, lambda row: _key(row, row.starts_on), _Month.breakdown) for rows in breakdowns),
    ]


def _key(row: Record, day: str) -> tuple[str, str]:
    return row.account_id, month_of(day)


def _compare(books: Books, month: _Month) -> None:
    _compare_sums(books, f"summary of account {month.account_id}", month.summaries, month.made.summaries)
    _compare_sums(books, f"breakdown of account {month.account_id}", month.breakdowns, month.made.breakdowns)
    days = {day for day, _ in month.ledger} | {str(starts_on) for grain, starts_on in month.summaries if grain == "DAY"}
    for day in sorted(days):
        summary = month.summaries.get(("DAY", day), {})
        for kind, (column, sign) in _LEDGER.items():
            entries = sign * month.ledger.get((day, kind), 0)
            name = f"summary of account {month.account_id} (DAY {day})"
            books.findings.differ(name, column, summary.get(column, 0), entries, "the ledger's entries of that day make")


def _compare_sums(books: Books, name: str, stored: Mapping[Key, Mapping[str, int]], made: Mapping[Key, Mapping[str, int]]) -> None:
    """A row of zeros is the same as none."""
    for key in sorted(stored.keys() | made.keys(), key=repr):
        was, due = stored.get(key, {}), made.get(key, {})
        for column in was.keys() | due.keys():
            if was.get(column, 0) != due.get(column, 0):
                row = f"{name} ({' '.join(map(str, key))})"
                books.findings.differ(row, column, was.get(column, 0), due.get(column, 0), "the rows make")
