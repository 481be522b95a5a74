"""All tables at a glance, with those of sales in `schema_sales.py`, those of payments in `schema_payments.py`, those of money in
`schema_money.py`, that of mail in `schema_mail.py`, those of files in `schema_files.py`, those of durable work in `schema_jobs.py`, those
of webhooks in `schema_webhooks.py`, the trail of what was done in `schema_audit.py`, and who shares a business in `schema_members.py`.

Each table is the model of its row. `tillstream migrate` derives the collections, their `$jsonSchema` validators and their indexes from
this page. Money is int64 minor units of the row's own `currency`; a day is the account's own time zone's day, in a column `…_on` as ISO
8601 text ("2026-11-24"). A column that only serves an index is a computed field. A column with a default is filled in by migration in
rows that are older than it.
"""

from datetime import datetime
from typing import ClassVar

from pydantic import computed_field

from datastore.folding import search_keys, sort_key
from datastore.rights import EVERYONE, MANAGERS, NOBODY, OWNERS, Rights
from datastore.schema_audit import AuditEvent
from datastore.schema_codes import EmailCode, PendingSignUp
from datastore.schema_files import DoomedBytes, ExpenseReceipt, File, Folder, StorageUsage, Thumbnail
from datastore.schema_jobs import Job, JobTicket
from datastore.schema_keys import ApiKey, ApiKeyHash
from datastore.schema_mail import SummaryMail
from datastore.schema_members import Invitation, InvitationCode, Membership
from datastore.schema_money import Breakdown, Expense, ExpenseCategory, Inventory, LedgerEntry, RecurringExpense, Summary
from datastore.schema_payments import Payment, PaymentEvent
from datastore.schema_sales import Refund, RefundItem, Sale, SaleItem
from datastore.schema_webhooks import WebhookDelivery, WebhookEndpoint, WebhookFeed, WebhookQueue
from datastore.scope import Role
from datastore.tables import IdentityRow, Index, OnDelete, OwnedRow, Policy, Reference, Row, TableSpec

__all__ = [
    "TABLES",
    "TABLES_BY_NAME",
    "TABLES_BY_PREFIX",
    "Account",
    "ApiKey",
    "ApiKeyHash",
    "AuditEvent",
    "Breakdown",
    "Counter",
    "DoomedBytes",
    "EmailCode",
    "Expense",
    "ExpenseCategory",
    "ExpenseReceipt",
    "File",
    "Folder",
    "IdempotencyKey",
    "Inventory",
    "Invitation",
    "InvitationCode",
    "Job",
    "JobTicket",
    "LedgerEntry",
    "Member",
    "Membership",
    "Payment",
    "PaymentEvent",
    "PendingSignUp",
    "Product",
    "ProductCategory",
    "RecurringExpense",
    "Refund",
    "RefundItem",
    "Sale",
    "SaleItem",
    "Session",
    "Settings",
    "StockMovement",
    "StorageUsage",
    "Summary",
    "SummaryMail",
    "Thumbnail",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookFeed",
    "WebhookQueue",
]


# --- identity: reached by internal functions of the modules of sessions and users only ---


class User(IdentityRow):
    """A person who can sign in."""

    spec: ClassVar = TableSpec("users", "usr", "user", Policy.IDENTITY, indexes=(Index("by_email", ("email",), unique=True),))

    email: str
    """Normalised: trimmed and case-folded."""
    password_hash: str
    """Argon2id, in PHC string format."""
    email_verified: bool
    name: str
    locale: str
    home_account_id: str
    """The account that signing in opens."""


class Session(IdentityRow):
    """One signed-in device. Its change or end is what live operations started with it are ended by."""

    spec: ClassVar = TableSpec(
        "sessions",
        "ses",
        "session",
        Policy.IDENTITY,
        indexes=(
            Index("by_family", ("family_hash",), unique=True),
            Index("by_user", ("user_id",)),
            Index("by_expiry", ("expires_at",)),
        ),
    )

    user_id: str
    account_id: str
    role: Role
    refresh_hash: str
    """SHA-256 of the refresh token that is good now."""
    previous_refresh_hash: str | None
    """SHA-256 of the one before it, which a client that lost an answer, or two tabs that race, may show once more."""
    refreshed_at: datetime
    expires_at: datetime
    user_agent: str
    family_hash: str | None = None
    """SHA-256 of what all refresh tokens of the session begin with. Any other token that begins so was used before: it was stolen, or the
    newest was, and the session ends."""
    pending: bool = False
    """Whether it is of somebody whose e-mail address is not confirmed yet: user and account are then still to be made."""


# --- the account and its settings ---


class Account(OwnedRow):
    """A business. Its `account_id` is its own id, so that its owner scope is like any other row's."""

    spec: ClassVar = TableSpec(
        "accounts",
        "acc",
        "account",
        indexes=(Index("by_account", (), unique=True),),
        rights=Rights(read=EVERYONE, insert=OWNERS, change=OWNERS, delete=OWNERS),
    )


class Member(OwnedRow):
    """A person's part in a business."""

    spec: ClassVar = TableSpec(
        "members",
        "mem",
        "member",
        indexes=(
            Index("by_user", ("user_id",), unique=True),
            Index("by_created", ("created_at",)),
            Index("by_avatar", ("avatar_id",)),
        ),
        references=(Reference("avatar_id", "files", OnDelete.CLEAR),),
        rights=Rights(read=EVERYONE, list=MANAGERS, insert=OWNERS, change=OWNERS, delete=OWNERS, hidden={"STAFF": ("email",)}),
    )

    user_id: str
    email: str | None
    """The address that they sign in with, as the others see it."""
    role: Role
    name: str = ""
    """What the person is called, for the others in the business to read."""
    avatar_id: str | None = None
    """A picture of theirs, in this business: a file belongs to one, and is seen there alone."""


class Settings(OwnedRow):
    """What an account chose once for everything; one row an account."""

    spec: ClassVar = TableSpec(
        "settings",
        "set",
        "settings",
        indexes=(Index("by_account", (), unique=True), Index("by_logo", ("logo_id",))),
        references=(Reference("logo_id", "files", OnDelete.CLEAR),),
        rights=Rights(read=EVERYONE, insert=OWNERS, change=OWNERS, delete=OWNERS),
    )

    business_name: str
    currency: str
    """ISO 4217; fixed once money exists."""
    currency_fixed: bool
    """Set by the first mutation that stores an amount, in the same transaction."""
    time_zone: str
    """IANA name."""
    locale: str
    tax_rate_ppm: int = 0
    """Of products that have no rate of their own; millionths."""
    prices_include_tax: bool = True
    low_stock_threshold: int = 0
    """Of products that are made without one."""
    receipt_footer: str = ""
    daily_summary_email: bool = False
    low_stock_email: bool = False
    logo_id: str | None = None


class Counter(OwnedRow):
    """The last number given of a gapless series of an account."""

    spec: ClassVar = TableSpec("counters", "cnt", "counter", indexes=(Index("by_series", ("series",), unique=True),), followed=False)

    series: str
    value: int


# --- products ---


class ProductCategory(OwnedRow):
    """A heading that products are listed under."""

    spec: ClassVar = TableSpec(
        "product_categories",
        "pct",
        "product category",
        indexes=(Index("by_position", ("position",)), Index("by_name", ("name_key",), unique=True)),
        rights=Rights(read=EVERYONE),
    )

    name: str
    description: str
    position: int
    """Where the owner put it in the list, ascending; not necessarily dense."""
    product_count: int
    """How many products are in it, archived ones included; kept by every mutation that moves one."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name_key(self) -> str:
        """The name as uniqueness sees it."""
        return sort_key(self.name)


class Product(OwnedRow):
    """Something the business sells."""

    spec: ClassVar = TableSpec(
        "products",
        "prd",
        "product",
        indexes=(
            Index("by_name", ("archived", "name_key")),
            Index("by_created", ("archived", "created_at")),
            Index("by_price", ("archived", "price_minor")),
            Index("by_stock", ("archived", "stock")),
            Index("by_category_name", ("category_id", "archived", "name_key")),
            Index("by_category_created", ("category_id", "archived", "created_at")),
            Index("by_category_price", ("category_id", "archived", "price_minor")),
            Index("by_category_stock", ("category_id", "archived", "stock")),
            Index("by_low_stock_name", ("low_stock", "archived", "name_key")),
            Index("by_low_stock_stock", ("low_stock", "archived", "stock")),
            Index("by_category_low_stock", ("category_id", "low_stock", "archived", "name_key")),
            Index("by_search", ("search_keys", "archived", "name_key")),
            Index("by_category_search", ("category_id", "search_keys", "archived", "name_key")),
            Index("by_sku", ("sku",), unique=True),
            Index("by_image", ("image_id",)),
        ),
        references=(
            Reference("category_id", "product_categories", OnDelete.RESTRICT),
            Reference("image_id", "files", OnDelete.CLEAR),
        ),
        rights=Rights(read=EVERYONE, hidden={"STAFF": ("cost_minor",)}),
    )

    name: str
    description: str
    sku: str | None
    barcode: str | None
    category_id: str | None
    currency: str
    price_minor: int
    cost_minor: int | None
    tax_rate_ppm: int | None
    """Millionths: 190000 is 19 %. None: the account's rate."""
    track_stock: bool
    stock: int
    low_stock_threshold: int
    archived: bool
    image_id: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name_key(self) -> str:
        """The name as lists are ordered by it."""
        return sort_key(self.name)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def low_stock(self) -> bool:
        """Whether the stock is tracked and has come down to the threshold."""
        return self.track_stock and self.stock <= self.low_stock_threshold

    @computed_field  # type: ignore[prop-decorator]
    @property
    def search_keys(self) -> list[str]:
        """What it is found by."""
        return search_keys(self.name, self.sku, self.barcode)


class StockMovement(OwnedRow):
    """One change of a product's stock; a product's stock is the sum of its movements."""

    spec: ClassVar = TableSpec(
        "stock_movements",
        "stm",
        "stock movement",
        indexes=(Index("by_product", ("product_id", "created_at")),),
        references=(Reference("product_id", "products", OnDelete.CASCADE),),
        rights=Rights(read=EVERYONE),
    )

    product_id: str
    delta: int
    stock_after: int
    reason: str
    user_id: str


# --- the machinery of mutations ---


class IdempotencyKey(OwnedRow):
    """The first result of a mutation that was sent with a key."""

    spec: ClassVar = TableSpec(
        "idempotency_keys",
        "idk",
        "idempotency key",
        indexes=(Index("by_key", ("user_id", "key"), unique=True), Index("by_created", ("created_at",))),
        followed=False,
        rights=Rights(read=EVERYONE, insert=EVERYONE, change=NOBODY, delete=EVERYONE),
    )

    user_id: str
    key: str
    input_hash: str
    """Keyed digest of the mutation's name and arguments."""
    result: str
    """The result as JSON, in the form `resolvers/functions.py` reads back."""


TABLES: tuple[type[Row], ...] = (
    User,
    Session,
    EmailCode,
    PendingSignUp,
    Account,
    Member,
    Membership,
    Invitation,
    InvitationCode,
    Settings,
    ApiKey,
    ApiKeyHash,
    ProductCategory,
    Product,
    StockMovement,
    Sale,
    SaleItem,
    Refund,
    RefundItem,
    Payment,
    PaymentEvent,
    ExpenseCategory,
    RecurringExpense,
    Expense,
    LedgerEntry,
    Summary,
    Breakdown,
    Inventory,
    Folder,
    File,
    Thumbnail,
    ExpenseReceipt,
    StorageUsage,
    DoomedBytes,
    SummaryMail,
    AuditEvent,
    Job,
    JobTicket,
    WebhookEndpoint,
    WebhookDelivery,
    WebhookQueue,
    WebhookFeed,
    Counter,
    IdempotencyKey,
)

TABLES_BY_NAME: dict[str, type[Row]] = {table.spec.name: table for table in TABLES}
TABLES_BY_PREFIX: dict[str, type[Row]] = {table.spec.prefix: table for table in TABLES}
