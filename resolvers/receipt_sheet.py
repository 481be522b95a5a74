"""What stands on a receipt, in words and amounts: the same for its mail and its PDF."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from datastore import schema as tables
from resolvers.days import day_of
from resolvers.wording import Wording

Money = Callable[[int], str]
"""How an amount in minor units is written."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A sale as it is now, with the settings of its business."""

    settings: tables.Settings
    sale: tables.Sale
    items: Sequence[tables.SaleItem]
    refunds: Sequence[tables.Refund]


@dataclass(frozen=True, slots=True)
class SheetLine:
    """Something that was sold; `total` is its price times its quantity, and `discount` what comes off that, if anything does."""

    name: str
    quantity: str
    unit_price: str
    total: str
    discount: str


@dataclass(frozen=True, slots=True)
class SheetSum:
    """A line below the items: they add up to the total from above."""

    label: str
    amount: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptSheet:
    """The whole receipt, written."""

    business: str
    number: str
    sold_at: str
    customer: str
    voided: str
    """That the sale was called off; empty where it was not."""
    lines: Sequence[SheetLine]
    sums: Sequence[SheetSum]
    payment: str
    footer: str


def sheet_of(receipt: Receipt, wording: Wording, money: Money) -> ReceiptSheet:
    """A receipt in these words."""
    sale = receipt.sale
    method = wording.text(f"payment_method.{sale.payment_method}")
    paid = f"{wording.text('receipt.paid_by')}: {method}"
    voided_on = wording.day(day_of(sale.voided_at, wording.time_zone)) if sale.voided_at else ""
    return ReceiptSheet(
        business=receipt.settings.business_name,
        number=str(sale.number),
        sold_at=wording.moment(sale.sold_at),
        customer=sale.customer_name or "",
        voided=wording.text("receipt.voided", date=voided_on) if voided_on else "",
        lines=[_line(item, wording, money) for item in receipt.items],
        sums=list(chain(_down_to_total(receipt, wording, money), _below_total(receipt, wording, money))),
        payment=paid if sale.payment_status == "PAID" else wording.text("receipt.pending"),
        footer=receipt.settings.receipt_footer,
    )


def tax_by_rate(items: Sequence[tables.SaleItem]) -> Sequence[tuple[int, int]]:
    """The rates in millionths and the tax in minor units that is paid at each, the lowest rate first; none that come to nothing."""
    taxes: defaultdict[int, int] = defaultdict(int)
    for item in items:
        taxes[item.tax_rate_ppm] += item.tax_minor
    return [(rate, tax) for rate, tax in sorted(taxes.items()) if tax]


def _line(item: tables.SaleItem, wording: Wording, money: Money) -> SheetLine:
    return SheetLine(
        name=item.name,
        quantity=wording.number(item.quantity),
        unit_price=money(item.unit_price_minor),
        total=money(item.unit_price_minor * item.quantity),
        discount=wording.text("receipt.item_discount", amount=money(-item.discount_minor)) if item.discount_minor else "",
    )


def _down_to_total(receipt: Receipt, wording: Wording, money: Money) -> list[SheetSum]:
    sale = receipt.sale
    sums = []
    if sale.total_minor != sale.subtotal_minor or sale.discount_minor:
        sums.append(SheetSum(wording.text("receipt.subtotal"), money(sale.subtotal_minor)))
    if sale.discount_minor:
        sums.append(SheetSum(wording.text("receipt.discount"), money(-sale.discount_minor)))
    if not sale.prices_include_tax:
        sums += _taxes(receipt, wording, money, "receipt.tax_on_top")
    sums.append(SheetSum(wording.text("receipt.total"), money(sale.total_minor), strong=True))
    return sums


def _below_total(receipt: Receipt, wording: Wording, money: Money) -> list[SheetSum]:
    sale = receipt.sale
    sums = _taxes(receipt, wording, money, "receipt.tax_included") if sale.prices_include_tax else []
    for refund in receipt.refunds:
        label = wording.text("receipt.refund", number=refund.number, date=wording.moment(refund.refunded_at))
        sums.append(SheetSum(label, money(-refund.amount_minor)))
    if receipt.refunds:
        sums.append(SheetSum(wording.text("receipt.remaining"), money(sale.total_minor - sale.refunded_minor), strong=True))
    return sums


def _taxes(receipt: Receipt, wording: Wording, money: Money, key: str) -> list[SheetSum]:
    return [SheetSum(wording.text(key, rate=wording.percent(rate)), money(tax)) for rate, tax in tax_by_rate(receipt.items)]
