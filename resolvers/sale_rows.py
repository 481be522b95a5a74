"""The rows that a sale or a refund is made of: pure, so that a mutation and the bulk seed of a demo shop make the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from datastore import schema as tables
from datastore.schema_sales import PaymentMethod
from resolvers.pricing import Line, PricedSale, part_of

Status = Literal["PARTLY_REFUNDED", "REFUNDED"]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A product, and how it is sold."""

    product: tables.Product
    line: Line


@dataclass(frozen=True, slots=True)
class Order:
    """What is sold by which settings, `priced` line by line."""

    settings: tables.Settings
    items: Sequence[Ordered]
    priced: PricedSale
    payment_method: PaymentMethod
    sold_at: datetime
    customer_name: str | None = None
    customer_email: str | None = None
    note: str = ""
    awaits_payment: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """So many pieces of a line of a sale, which are given back; `restocked`: they go back on the shelf."""

    item: tables.SaleItem
    quantity: int
    restocked: bool

    @property
    def after(self) -> int:
        """How many pieces of the line have then been given back in all."""
        return self.item.refunded_quantity + self.quantity

    @property
    def amount_minor(self) -> int:
        """What is paid back for them."""
        return part_of(self.item.total_minor, before=self.item.refunded_quantity, after=self.after, whole=self.item.quantity)

    @property
    def tax_minor(self) -> int:
        """The tax in that."""
        before = self.item.refunded_minor
        return part_of(self.item.tax_minor, before=before, after=before + self.amount_minor, whole=self.item.total_minor)

    @property
    def changes(self) -> Mapping[str, int]:
        """The columns of the line that change."""
        return {
            "refunded_quantity": self.after,
            "refunded_minor": self.item.refunded_minor + self.amount_minor,
            "refunded_tax_minor": self.item.refunded_tax_minor + self.tax_minor,
        }


def sale_row(order: Order, *, number: int, user_id: str, now: datetime) -> tables.Sale:
    """The row of a sale. Its day and hour are those of the account's time zone, on the clocks as they stood then."""
    settings, priced = order.settings, order.priced
    local = order.sold_at.astimezone(ZoneInfo(settings.time_zone))
    return tables.Sale(
        id=tables.Sale.new_id(),
        created_at=now,
        updated_at=now,
        account_id=settings.account_id,
        number=number,
        status="COMPLETED",
        currency=settings.currency,
        prices_include_tax=settings.prices_include_tax,
        subtotal_minor=priced.subtotal_minor,
        discount_minor=priced.discount_minor,
        tax_minor=priced.tax_minor,
        total_minor=priced.total_minor,
        refunded_minor=0,
        payment_method=order.payment_method,
        payment_status="PENDING" if order.awaits_payment and priced.total_minor else "PAID",
        customer_name=order.customer_name,
        customer_email=order.customer_email,
        note=order.note,
        sold_at=order.sold_at,
        sold_on=local.date().isoformat(),
        sold_hour=local.hour,
        sold_by_id=user_id,
        voided_at=None,
        void_reason="",
    )


def item_rows(order: Order, sale: tables.Sale) -> list[tables.SaleItem]:
    """The rows of a sale's lines, in their order."""
    return [
        tables.SaleItem(
            id=tables.SaleItem.new_id(),
            created_at=sale.created_at,
            updated_at=sale.created_at,
            account_id=sale.account_id,
            sale_id=sale.id,
            position=position,
            product_id=one.product.id,
            name=one.product.name,
            sku=one.product.sku,
            quantity=one.line.quantity,
            currency=sale.currency,
            unit_price_minor=one.line.unit_price_minor,
            unit_cost_minor=one.product.cost_minor,
            discount_minor=amounts.discount_minor,
            tax_rate_ppm=one.line.tax_rate_ppm,
            tax_minor=amounts.tax_minor,
            total_minor=amounts.total_minor,
            stock_taken=one.product.track_stock,
            refunded_quantity=0,
            refunded_minor=0,
            refunded_tax_minor=0,
        )
        for position, (one, amounts) in enumerate(zip(order.items, order.priced.lines, strict=True))
    ]


def refund_row(
    sale: tables.Sale,
    parts: Sequence[Part],
    *,
    number: int,
    reason: str,
    refunded_at: datetime,
    refunded_on: str,
    user_id: str,
    payment_id: str | None = None,
) -> tables.Refund:
    """The row of a refund of these parts of a sale; of money that is given back through Stripe where a payment is named."""
    return tables.Refund(
        id=tables.Refund.new_id(),
        created_at=refunded_at,
        updated_at=refunded_at,
        account_id=sale.account_id,
        number=number,
        sale_id=sale.id,
        currency=sale.currency,
        amount_minor=sum(part.amount_minor for part in parts),
        tax_minor=sum(part.tax_minor for part in parts),
        payment_method=sale.payment_method,
        reason=reason,
        refunded_at=refunded_at,
        refunded_on=refunded_on,
        refunded_by_id=user_id,
        payment_id=payment_id,
        status="SUCCEEDED" if payment_id is None else "PENDING",
    )


def refund_item_rows(refund: tables.Refund, parts: Sequence[Part]) -> list[tables.RefundItem]:
    """The rows of a refund's lines, in their order."""
    return [
        tables.RefundItem(
            id=tables.RefundItem.new_id(),
            created_at=refund.created_at,
            updated_at=refund.created_at,
            account_id=refund.account_id,
            refund_id=refund.id,
            sale_item_id=part.item.id,
            position=position,
            product_id=part.item.product_id,
            name=part.item.name,
            quantity=part.quantity,
            currency=refund.currency,
            amount_minor=part.amount_minor,
            tax_minor=part.tax_minor,
            restocked=part.restocked,
        )
        for position, part in enumerate(parts)
    ]


def status_after(items: Sequence[tables.SaleItem]) -> Status:
    """The status of a sale whose lines are as these are after a refund."""
    return "REFUNDED" if all(item.refunded_quantity == item.quantity for item in items) else "PARTLY_REFUNDED"
