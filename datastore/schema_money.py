"""The tables of expenses, of the ledger and of its sums: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import computed_field

from datastore.folding import search_keys, sort_key
from datastore.rights import NOBODY, Rights
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec, TallyRow

# --- expenses ---


class ExpenseCategory(OwnedRow):
    """A heading that expenses are booked under."""

    spec: ClassVar = TableSpec(
        "expense_categories",
        "ect",
        "expense category",
        indexes=(Index("by_position", ("position",)), Index("by_name", ("name_key",), unique=True)),
        rights=Rights(),
    )

    name: str
    description: str
    position: int
    expense_count: int
    """How many expenses are booked under it; kept by every mutation that moves one."""
    currency: str | None
    """Of the budget; null where there is none."""
    monthly_budget_minor: int | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name_key(self) -> str:
        """The name as uniqueness sees it."""
        return sort_key(self.name)


class RecurringExpense(OwnedRow):
    """An expense that is booked again and again."""

    spec: ClassVar = TableSpec(
        "recurring_expenses",
        "rec",
        "recurring expense",
        indexes=(Index("by_next", ("next_on", "created_at")), Index("by_category", ("category_id", "created_at"))),
        references=(Reference("category_id", "expense_categories", OnDelete.RESTRICT),),
        rights=Rights(),
    )

    currency: str
    amount_minor: int
    tax_minor: int
    vendor: str
    category_id: str | None
    note: str
    interval: Literal["WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"]
    starts_on: str
    """The first day it is booked for; a month that has no such day takes its last."""
    ends_on: str | None
    next_on: str | None
    """The next day that it is to be booked for; null once it has ended."""
    recorded_by_id: str


class Expense(OwnedRow):
    """Money spent."""

    spec: ClassVar = TableSpec(
        "expenses",
        "exp",
        "expense",
        indexes=(
            Index("by_incurred", ("incurred_on", "created_at")),
            Index("by_category", ("category_id", "incurred_on", "created_at")),
            Index("by_search", ("search_keys", "incurred_on", "created_at")),
            Index("by_recurrence", ("recurring_id", "booked_for"), unique=True),
            Index("by_recurring", ("recurring_id", "incurred_on")),
        ),
        references=(
            Reference("category_id", "expense_categories", OnDelete.RESTRICT),
            Reference("recurring_id", "recurring_expenses", OnDelete.CLEAR),
        ),
        rights=Rights(),
    )

    currency: str
    amount_minor: int
    """Tax included."""
    tax_minor: int
    vendor: str
    category_id: str | None
    note: str
    incurred_on: str
    recurring_id: str | None
    recorded_by_id: str
    booked_for: str | None = None
    """The day of its recurring expense that it was booked for, whatever day it is moved to: no day of one is booked twice."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def search_keys(self) -> list[str]:
        """What it is found by."""
        return search_keys(self.vendor, self.note)


# --- the ledger and its sums ---


class LedgerEntry(OwnedRow):
    """Money that came in (positive) or went out: written once, never changed, only reversed by another."""

    spec: ClassVar = TableSpec(
        "transactions",
        "txn",
        "transaction",
        indexes=(
            Index("by_occurred", ("occurred_on", "occurred_at")),
            Index("by_kind", ("kind", "occurred_on", "occurred_at")),
            Index("by_source", ("source_id", "created_at")),
            Index("by_reversed", ("reverses_id",), unique=True),
            Index("by_search", ("search_keys", "occurred_on", "occurred_at")),
        ),
        append_only=True,
        rights=Rights(change=NOBODY, delete=NOBODY),
    )

    kind: Literal["SALE", "REFUND", "EXPENSE", "MANUAL"]
    """That of its source; a reversal has the kind of what it reverses, so that the sum of a kind stays true."""
    currency: str
    amount_minor: int
    """Signed."""
    description: str
    occurred_at: datetime
    occurred_on: str
    """A reversal has the day of what it reverses: the books then read as if that had not been; `created_at` tells when it was done."""
    source_id: str | None
    """The sale, refund or expense, which may be gone by now; null for what was entered by hand."""
    reverses_id: str | None
    recorded_by_id: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def search_keys(self) -> list[str]:
        """What it is found by."""
        return search_keys(self.description)


class Summary(TallyRow):
    """What came and went in one day or month; voided sales do not count. Kept by `resolvers/summaries.py` alone."""

    spec: ClassVar = TableSpec(
        "summaries",
        "sum",
        "summary",
        indexes=(Index("by_key", ("grain", "starts_on"), unique=True),),
        followed=False,
        rights=Rights(delete=NOBODY),
    )

    grain: Literal["DAY", "MONTH"]
    starts_on: str
    sales_count: int
    sales_minor: int
    """The totals of the sales of that day, tax included."""
    sales_tax_minor: int
    discount_minor: int
    refunds_count: int
    refunds_minor: int
    refunds_tax_minor: int
    expenses_count: int
    expenses_minor: int
    expenses_tax_minor: int
    manual_minor: int
    """Of entries made by hand, signed."""


class Breakdown(TallyRow):
    """A part of one day's or month's sum: one product's, payment method's or hour's of sales, one category's of expenses."""

    spec: ClassVar = TableSpec(
        "breakdowns",
        "brk",
        "breakdown",
        indexes=(
            Index("by_key", ("kind", "grain", "starts_on", "key"), unique=True),
            Index("by_amount", ("kind", "grain", "starts_on", "amount_minor")),
            Index("by_part", ("kind", "grain", "key", "starts_on")),
        ),
        followed=False,
        rights=Rights(delete=NOBODY),
    )

    kind: Literal["PRODUCT", "PAYMENT_METHOD", "HOUR", "EXPENSE_CATEGORY"]
    grain: Literal["DAY", "MONTH"]
    starts_on: str
    key: str
    """A product's id, a payment method, an hour ("00" to "23"), an expense category's id (or "")."""
    count: int
    """Pieces of a product; sales of a payment method or hour; expenses of a category."""
    amount_minor: int
    """Tax included, refunds (of products and payment methods) taken off on the day that they were made."""


class Inventory(TallyRow):
    """What lies in the shelves at this moment; one row an account. Kept by `resolvers/stock.py` alone."""

    spec: ClassVar = TableSpec(
        "inventories", "inv", "inventory", indexes=(Index("by_key", (), unique=True),), followed=False, rights=Rights(delete=NOBODY)
    )

    units: int
    """Pieces of all products whose stock is tracked and not below zero."""
    value_minor: int
    """The same at cost, where it is known."""
