"""Rows for receipts and statements, and what a PDF says."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from datastore import schema as tables
from resolvers.receipt_sheet import Receipt

NOON = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
_ROW: dict[str, Any] = {"created_at": NOON, "updated_at": NOON, "account_id": "acc_1"}


def settings_row(locale: str = "en-US", **columns: Any) -> tables.Settings:
    """Settings of a business in Berlin."""
    plain = {"business_name": "Café Ωmega", "currency": "EUR", "currency_fixed": True, "time_zone": "Europe/Berlin"}
    return tables.Settings(**_ROW | plain | {"locale": locale} | columns, id="set_1")


def sale_row(**columns: Any) -> tables.Sale:
    """Two things sold for 45 euros, 19 and 7 percent of tax included, 5 euros of discount taken off."""
    plain: dict[str, Any] = {
        "number": 1017,
        "status": "COMPLETED",
        "currency": "EUR",
        "prices_include_tax": True,
        "subtotal_minor": 5000,
        "discount_minor": 500,
        "tax_minor": 507,
        "total_minor": 4500,
        "refunded_minor": 0,
        "payment_method": "CARD",
        "payment_status": "PAID",
        "customer_name": "Jörg Müller",
        "customer_email": None,
        "note": "",
        "sold_at": NOON,
        "sold_on": "2026-11-24",
        "sold_hour": 12,
        "sold_by_id": "usr_1",
        "voided_at": None,
        "void_reason": "",
    }
    return tables.Sale(**_ROW | plain | columns, id="sal_1")


def item_row(position: int, name: str, rate_ppm: int, tax_minor: int, **columns: Any) -> tables.SaleItem:
    """Two pieces at 12.50, less 2.50."""
    plain: dict[str, Any] = {
        "sale_id": "sal_1",
        "product_id": "prd_1",
        "sku": None,
        "quantity": 2,
        "currency": "EUR",
        "unit_price_minor": 1250,
        "unit_cost_minor": None,
        "discount_minor": 250,
        "total_minor": 2250,
        "stock_taken": True,
        "refunded_quantity": 0,
        "refunded_minor": 0,
        "refunded_tax_minor": 0,
    }
    given = {"position": position, "name": name, "tax_rate_ppm": rate_ppm, "tax_minor": tax_minor}
    return tables.SaleItem(**_ROW | plain | given | columns, id=f"sli_{position}")


def refund_row(**columns: Any) -> tables.Refund:
    """Ten euros given back."""
    plain: dict[str, Any] = {
        "number": 3,
        "sale_id": "sal_1",
        "currency": "EUR",
        "amount_minor": 1000,
        "tax_minor": 100,
        "payment_method": "CARD",
        "reason": "",
        "refunded_at": NOON,
        "refunded_on": "2026-11-24",
        "refunded_by_id": "usr_1",
    }
    return tables.Refund(**_ROW | plain | columns, id="rfd_1")


def receipt_of(locale: str = "en-US", refunds: Sequence[tables.Refund] = (), footer: str = "", **sale: Any) -> Receipt:
    """A receipt of tea and honey."""
    items = [item_row(0, "Tea “Assam”", 70_000, 147), item_row(1, "Honey Жук", 190_000, 360)]
    return Receipt(settings_row(locale, receipt_footer=footer), sale_row(**sale), items, refunds)


def entry_row(amount_minor: int, description: str = "Sale", day: str = "2026-11-01", kind: str = "SALE") -> tables.LedgerEntry:
    """An entry of the ledger."""
    values: dict[str, Any] = {
        "kind": kind,
        "currency": "EUR",
        "amount_minor": amount_minor,
        "description": description,
        "occurred_at": NOON,
    }
    return tables.LedgerEntry(**_ROW | values, id="txn_1", occurred_on=day, source_id=None, reverses_id=None, recorded_by_id="usr_1")


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page; spaces of all widths are plain."""
    reader = PdfReader(BytesIO(pdf))
    return [page.extract_text().replace("\N{NO-BREAK SPACE}", " ") for page in reader.pages]
