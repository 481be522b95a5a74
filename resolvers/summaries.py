"""Sums of what came and went, by day and month: counted up in the transactions that write the rows they are the sums of.

Sums commute, so nothing is read to keep them. The same arithmetic serves three: a mutation, which keeps the deltas of one row; the bulk
seed, those of hundreds; and `tillstream verify`, which adds up everything anew and compares.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from datastore import schema as tables
from datastore.keys import KeyValue
from datastore.writing import Writer

Key = tuple[KeyValue, ...]
Sums = dict[Key, dict[str, int]]
Sign = Literal[1, -1]

UNCATEGORISED: Final = ""
"""The key of the expenses that are in no category."""


def month_of(day: str) -> str:
    """The first day of a day's month, which the month's rows start on."""
    return f"{day[:8]}01"


def net_minor(row: tables.Summary) -> int:
    """What the ledger entries of a row's day or month come to."""
    return row.sales_minor - row.refunds_minor - row.expenses_minor + row.manual_minor


class Tallies:
    """Deltas of sums, collected in memory; with `sign=-1` a row is taken out again.

    `summaries` and `breakdowns` hold them by the keys of each table's index `by_key`: (grain, starts_on) and (kind, grain, starts_on,
    key). A sum may have come to nothing.
    """

    def __init__(self) -> None:
        self.summaries: Sums = defaultdict(lambda: defaultdict(int))
        self.breakdowns: Sums = defaultdict(lambda: defaultdict(int))

    def sale(self, sale: tables.Sale, items: Iterable[tables.SaleItem], sign: Sign = 1) -> None:
        """A sale that counts (a voided one does not), on the day that it was made."""
        for row in self._rows(sale.sold_on):
            row["sales_count"] += sign
            row["sales_minor"] += sign * sale.total_minor
            row["sales_tax_minor"] += sign * sale.tax_minor
            row["discount_minor"] += sign * sale.discount_minor
        self._part("PAYMENT_METHOD", sale.sold_on, sale.payment_method, sign, sign * sale.total_minor)
        self._part("HOUR", sale.sold_on, f"{sale.sold_hour:02}", sign, sign * sale.total_minor)
        for item in items:
            self._part("PRODUCT", sale.sold_on, item.product_id, sign * item.quantity, sign * item.total_minor)

    def refund(self, refund: tables.Refund, items: Iterable[tables.RefundItem], sign: Sign = 1) -> None:
        """A refund, on its own day: products and payment methods have less then, hours stay."""
        for row in self._rows(refund.refunded_on):
            row["refunds_count"] += sign
            row["refunds_minor"] += sign * refund.amount_minor
            row["refunds_tax_minor"] += sign * refund.tax_minor
        self._part("PAYMENT_METHOD", refund.refunded_on, refund.payment_method, 0, -sign * refund.amount_minor)
        for item in items:
            self._part("PRODUCT", refund.refunded_on, item.product_id, -sign * item.quantity, -sign * item.amount_minor)

    def expense(self, expense: tables.Expense, sign: Sign = 1) -> None:
        """An expense, on the day that it was incurred."""
        for row in self._rows(expense.incurred_on):
            row["expenses_count"] += sign
            row["expenses_minor"] += sign * expense.amount_minor
            row["expenses_tax_minor"] += sign * expense.tax_minor
        category = expense.category_id or UNCATEGORISED
        self._part("EXPENSE_CATEGORY", expense.incurred_on, category, sign, sign * expense.amount_minor)

    def manual(self, entry: tables.LedgerEntry, sign: Sign = 1) -> None:
        """A ledger entry made by hand; its reversal counts likewise, by its own opposite amount."""
        for row in self._rows(entry.occurred_on):
            row["manual_minor"] += sign * entry.amount_minor

    async def keep(self, db: Writer) -> None:
        """Adds everything to the stored sums, two commands. Raises InvalidInputError where one goes beyond int64."""
        await db.tally(tables.Summary, self.summaries)
        await db.tally(tables.Breakdown, self.breakdowns)

    def _rows(self, day: str) -> Iterator[dict[str, int]]:
        yield self.summaries["DAY", day]
        yield self.summaries["MONTH", month_of(day)]

    def _part(self, kind: str, day: str, key: str, count: int, amount_minor: int) -> None:
        for grain, starts_on in (("DAY", day), ("MONTH", month_of(day))):
            row = self.breakdowns[kind, grain, starts_on, key]
            row["count"] += count
            row["amount_minor"] += amount_minor
