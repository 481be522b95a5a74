"""Sales equal their items and their refunds, and their numbers have no gap: a part of `tillstream verify`."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from datastore import schema as tables
from resolvers.pricing import part_of, tax_of
from resolvers.verify_days import check_day, check_hour
from resolvers.verify_entries import ENTRY, Source, check_entries
from resolvers.verify_rows import Books, Findings, Record, chunked

_AMOUNTS = ("subtotal_minor", "discount_minor", "tax_minor", "total_minor", "refunded_minor")
SALE = (
    *("account_id", "status", "currency", "prices_include_tax", "payment_method", "sold_at", "sold_on", "sold_hour", "voided_at"),
    *("payment_status", "paid_at"),
    *_AMOUNTS,
)
ITEM = (
    *("account_id", "sale_id", "product_id", "quantity", "currency", "unit_price_minor", "discount_minor", "tax_rate_ppm", "tax_minor"),
    *("total_minor", "refunded_quantity", "refunded_minor", "refunded_tax_minor", "position", "stock_taken"),
)
REFUND = ("account_id", "sale_id", "currency", "amount_minor", "tax_minor", "payment_method", "refunded_at", "refunded_on")
REFUND_ITEM = (
    *("account_id", "refund_id", "sale_item_id", "position", "product_id", "quantity", "currency", "amount_minor", "tax_minor"),
    "restocked",
)


@dataclass
class _Back:
    """What the refunds of a line say has been given back."""

    quantity: int = 0
    amount_minor: int = 0
    tax_minor: int = 0
    restocked: bool = False

    def add(self, item: Record) -> None:
        self.restocked = self.restocked or item.restocked
        self.quantity += item.quantity
        self.amount_minor += item.amount_minor
        self.tax_minor += item.tax_minor


@dataclass
class _Related:
    """What belongs to some sales, by their ids."""

    items: dict[str, list[Record]]
    entries: dict[str, list[Record]]
    refunds: dict[str, list[Record]]
    back: dict[tuple[str, str], _Back] = field(default_factory=dict)
    """By the id of the sale that was refunded, and that of the line."""


async def checked_sales(books: Books) -> AsyncIterator[tuple[Record, Sequence[Record]]]:
    """Every sale with its items, in the order of their days, each checked."""
    async for sales in chunked(books.rows(tables.Sale, "by_sold", SALE)):
        related = await _related(books, sales)
        for sale in sales:
            items = related.items.get(sale.id, ())
            _check_sale(books.findings, sale, items, related.refunds.get(sale.id, ()))
            for item in items:
                _check_item(books, sale, item, related.back.get((sale.id, item.id), _Back()))
            books.check_currency(f"sale {sale.id}", sale)
            source = Source("sale", sale, "SALE", sale.total_minor, sale.sold_on, stands=counts(sale))
            check_entries(books, source, related.entries.get(sale.id, ()))
            yield sale, items
        books.sales += len(sales)


def counts(sale: Record) -> bool:
    """Whether a sale is in the ledger and the sums: it was not voided, and no payment is awaited."""
    return bool(sale.status != "VOIDED" and sale.payment_status == "PAID")


async def checked_refunds(books: Books) -> AsyncIterator[tuple[Record, Sequence[Record]]]:
    """Every refund with its items, in the order of their days, each checked."""
    async for refunds in chunked(books.rows(tables.Refund, "by_refunded", REFUND)):
        items_of = await books.of(tables.RefundItem, "by_refund", refunds, REFUND_ITEM)
        entries = await books.of(tables.LedgerEntry, "by_source", refunds, ENTRY)
        for refund in refunds:
            items, row = items_of.get(refund.id, ()), f"refund {refund.id}"
            for column in ("amount_minor", "tax_minor"):
                books.findings.differ(row, column, getattr(refund, column), _sum(items, column), "its items make")
            check_day(books.findings, row, "refunded_on", refund.refunded_on, refund.refunded_at)
            _check_positions(books.findings, row, items)
            books.check_currency(row, refund)
            for item in items:
                books.check_currency(f"refund item {item.id}", item)
            check_entries(books, Source("refund", refund, "REFUND", -refund.amount_minor, refund.refunded_on), entries.get(refund.id, ()))
            yield refund, items


async def check_numbers(books: Books) -> None:
    """The numbers of sales and of refunds are 1, 2, 3 … in each account, and its counters stand at the last of each."""
    counters = {
        (row.account_id, row.series): row.value async for row in books.rows(tables.Counter, "by_series", ("account_id", "series", "value"))
    }
    series: tuple[tuple[type[tables.Sale | tables.Refund], str], ...] = ((tables.Sale, "sales"), (tables.Refund, "refunds"))
    for table, name in series:
        last: dict[str, int] = {}
        async for row in books.rows(table, "by_number", ("account_id", "number")):
            due = last.get(row.account_id, 0) + 1
            books.findings.differ(f"{table.spec.noun} {row.id}", "number", row.number, due, "the next of its account is")
            last[row.account_id] = row.number
        accounts = last.keys() | {account for account, counted in counters if counted == name}
        for account in sorted(accounts):
            stored = counters.get((account, name), 0)
            books.findings.differ(f"account {account}", f"the counter of {name}", stored, last.get(account, 0), "the last number is")


async def _related(books: Books, sales: Sequence[Record]) -> _Related:
    items, entries, refunds = await asyncio.gather(
        books.of(tables.SaleItem, "by_sale", sales, ITEM),
        books.of(tables.LedgerEntry, "by_source", sales, ENTRY),
        books.of(tables.Refund, "by_sale", sales, REFUND),
    )
    related = _Related(items, entries, refunds)
    all_refunds = {refund.id: refund for some in refunds.values() for refund in some}
    if all_refunds:
        for id, some in (await books.of(tables.RefundItem, "by_refund", list(all_refunds.values()), REFUND_ITEM)).items():
            for item in some:
                related.back.setdefault((all_refunds[id].sale_id, item.sale_item_id), _Back()).add(item)
    return related


def _check_sale(findings: Findings, sale: Record, items: Sequence[Record], refunds: Iterable[Record]) -> None:
    row = f"sale {sale.id}"
    subtotal = sum(item.unit_price_minor * item.quantity for item in items)
    findings.differ(row, "subtotal_minor", sale.subtotal_minor, subtotal, "its items make")
    for column in ("discount_minor", "tax_minor", "total_minor"):
        findings.differ(row, column, getattr(sale, column), _sum(items, column), "its items make")
    findings.differ(row, "refunded_minor", sale.refunded_minor, _sum(refunds, "amount_minor"), "its refunds make")
    findings.differ(row, "status", sale.status, _status(sale, items), "its items say")
    if sale.payment_method != "ONLINE" and (sale.payment_status == "PENDING" or sale.paid_at is not None):
        findings.add(f"{row}: its payment_method is {sale.payment_method}, but its money is waited for, or was")
    check_day(findings, row, "sold_on", sale.sold_on, sale.sold_at)
    check_hour(findings, row, sale)
    _check_positions(findings, row, items)


def _check_positions(findings: Findings, row: str, items: Iterable[Record]) -> None:
    positions = sorted(item.position for item in items)
    if positions != list(range(len(positions))):
        findings.add(f"{row}: its items stand at the positions {positions}, but not from 0 to {len(positions) - 1}")


def _status(sale: Record, items: Sequence[Record]) -> str:
    if sale.voided_at is not None:
        return "VOIDED"
    if not any(item.refunded_quantity for item in items):
        return "COMPLETED"
    return "REFUNDED" if all(item.refunded_quantity == item.quantity for item in items) else "PARTLY_REFUNDED"


def _check_item(books: Books, sale: Record, item: Record, back: _Back) -> None:
    row, findings = f"sale item {item.id}", books.findings
    amount = item.unit_price_minor * item.quantity - item.discount_minor
    tax = tax_of(amount, item.tax_rate_ppm, included=sale.prices_include_tax)
    findings.differ(row, "tax_minor", item.tax_minor, tax, "its rate makes")
    total = amount if sale.prices_include_tax else amount + tax
    findings.differ(row, "total_minor", item.total_minor, total, "its price, discount and tax make")
    findings.differ(row, "refunded_quantity", item.refunded_quantity, back.quantity, "its refunds make")
    if back.restocked and not item.stock_taken:
        findings.add(f"{row}: its stock_taken is false, but a refund of it went back on the shelf")
    if back.quantity or item.refunded_minor or item.refunded_tax_minor:
        findings.differ(row, "refunded_minor", item.refunded_minor, back.amount_minor, "its refunds make")
        findings.differ(row, "refunded_tax_minor", item.refunded_tax_minor, back.tax_minor, "its refunds make")
        due = part_of(item.total_minor, before=0, after=back.quantity, whole=item.quantity)
        findings.differ(row, "refunded_minor", item.refunded_minor, due, f"{back.quantity} of {item.quantity} pieces make")
        due_tax = part_of(item.tax_minor, before=0, after=due, whole=item.total_minor)
        findings.differ(row, "refunded_tax_minor", item.refunded_tax_minor, due_tax, "the tax in what was given back is")
    books.check_currency(row, item)


def _sum(rows: Iterable[Record], column: str) -> int:
    return sum(getattr(row, column) for row in rows)
