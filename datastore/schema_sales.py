"""The tables of sales: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import computed_field

from datastore.folding import search_keys
from datastore.rights import EVERYONE, NOBODY, Rights
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec

PaymentMethod = Literal["CASH", "CARD", "BANK_TRANSFER", "ONLINE", "OTHER"]
RefundStatus = Literal["PENDING", "SUCCEEDED", "FAILED"]


class Sale(OwnedRow):
    """Something sold. Its amounts are the sums of its items; nothing changes them later but what is refunded."""

    spec: ClassVar = TableSpec(
        "sales",
        "sal",
        "sale",
        indexes=(
            Index("by_number", ("number",), unique=True),
            Index("by_sold", ("sold_on", "sold_at")),
            Index("by_status", ("status", "sold_on", "sold_at")),
            Index("by_method", ("payment_method", "sold_on", "sold_at")),
            Index("by_status_method", ("status", "payment_method", "sold_on", "sold_at")),
            Index("by_search", ("search_keys", "sold_on", "sold_at")),
        ),
        rights=Rights(read=EVERYONE, insert=EVERYONE, delete=NOBODY),
    )

    number: int
    """1, 2, 3 … in the account, without a gap."""
    status: Literal["COMPLETED", "PARTLY_REFUNDED", "REFUNDED", "VOIDED"]
    currency: str
    prices_include_tax: bool
    subtotal_minor: int
    """Unit prices times quantities, before discounts."""
    discount_minor: int
    """Of all items and of the sale as a whole."""
    tax_minor: int
    total_minor: int
    """What the customer pays, tax included."""
    refunded_minor: int
    payment_method: PaymentMethod
    payment_status: Literal["PENDING", "PAID"]
    """A sale whose money is waited for is in neither the ledger nor the sums until it comes."""
    customer_name: str | None
    customer_email: str | None
    note: str
    sold_at: datetime
    sold_on: str
    """The day of `sold_at` in the account's time zone as that was when the sale was recorded; it stays when the zone changes."""
    sold_hour: int
    """0 to 23, likewise."""
    sold_by_id: str
    """A user's."""
    voided_at: datetime | None
    void_reason: str
    paid_at: datetime | None = None
    """When the money came that was waited for; null while it has not, and where it came with the sale."""

    @property
    def awaited(self) -> bool:
        """Whether its money is waited for, or was."""
        return self.payment_status == "PENDING" or self.paid_at is not None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def search_keys(self) -> list[str]:
        """What it is found by."""
        return search_keys(str(self.number), self.customer_name, self.customer_email, self.note)


class SaleItem(OwnedRow):
    """One line of a sale: what was sold is kept as it was then."""

    spec: ClassVar = TableSpec(
        "sale_items",
        "sli",
        "sale item",
        indexes=(Index("by_sale", ("sale_id", "position")), Index("by_product", ("product_id", "created_at"))),
        references=(Reference("sale_id", "sales", OnDelete.RESTRICT), Reference("product_id", "products", OnDelete.RESTRICT)),
        rights=Rights(read=EVERYONE, insert=EVERYONE, delete=NOBODY, hidden={"STAFF": ("unit_cost_minor",)}),
    )

    sale_id: str
    position: int
    product_id: str
    name: str
    sku: str | None
    quantity: int
    currency: str
    unit_price_minor: int
    unit_cost_minor: int | None
    discount_minor: int
    """Its own and its share of the sale's."""
    tax_rate_ppm: int
    tax_minor: int
    total_minor: int
    """What is paid for it, tax included."""
    stock_taken: bool
    """Whether the product's stock was tracked, so that it was taken from it."""
    refunded_quantity: int
    refunded_minor: int
    refunded_tax_minor: int


class Refund(OwnedRow):
    """Money given back for a part of a sale, or the whole."""

    spec: ClassVar = TableSpec(
        "refunds",
        "rfd",
        "refund",
        indexes=(
            Index("by_number", ("number",), unique=True),
            Index("by_sale", ("sale_id", "created_at")),
            Index("by_refunded", ("refunded_on", "refunded_at")),
        ),
        references=(Reference("sale_id", "sales", OnDelete.RESTRICT),),
        rights=Rights(read=EVERYONE, delete=NOBODY),
    )

    number: int
    """1, 2, 3 … among the account's refunds, without a gap."""
    sale_id: str
    currency: str
    amount_minor: int
    """Tax included."""
    tax_minor: int
    payment_method: PaymentMethod
    reason: str
    refunded_at: datetime
    refunded_on: str
    refunded_by_id: str
    payment_id: str | None = None
    """The payment that it is given back of at Stripe; null where the money is handed over."""
    status: RefundStatus = "SUCCEEDED"
    provider_id: str | None = None
    """Of Stripe's refund (`re_…`)."""
    failure: str = ""
    """Why Stripe has not given it back so far."""
    job_id: str | None = None
    """Of the job that gives it back at Stripe."""


class RefundItem(OwnedRow):
    """The part of one line of a sale that a refund gives back."""

    spec: ClassVar = TableSpec(
        "refund_items",
        "rfi",
        "refund item",
        indexes=(Index("by_refund", ("refund_id", "position")), Index("by_item", ("sale_item_id", "created_at"))),
        references=(Reference("refund_id", "refunds", OnDelete.RESTRICT), Reference("sale_item_id", "sale_items", OnDelete.RESTRICT)),
        rights=Rights(read=EVERYONE, delete=NOBODY),
    )

    refund_id: str
    sale_item_id: str
    position: int
    product_id: str
    name: str
    quantity: int
    currency: str
    amount_minor: int
    tax_minor: int
    restocked: bool
