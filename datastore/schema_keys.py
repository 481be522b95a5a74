"""The tables of API keys: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from datastore.rights import NOBODY, OWNERS, Rights
from datastore.tables import IdentityRow, Index, OwnedRow, Policy, TableSpec

KeyRight = Literal["SALES_READ", "SALES_WRITE", "PRODUCTS_READ", "PRODUCTS_WRITE", "STOCK_WRITE", "TRANSACTIONS_READ"]


class ApiKey(OwnedRow):
    """A key by which a program of the business calls the REST API, as the business sees it."""

    spec: ClassVar = TableSpec(
        "api_keys",
        "key",
        "API key",
        indexes=(Index("by_created", ("created_at",)), Index("by_revoked", ("revoked_at",))),
        followed=False,
        rights=Rights(read=OWNERS, insert=OWNERS, change=OWNERS, delete=NOBODY),
    )

    name: str
    prefix: str
    """How the key begins, to tell it from others; the rest is kept nowhere."""
    scopes: list[str]
    """Each a `KeyRight`."""
    created_by_id: str
    """The user whom what is done with it is recorded for."""
    last_used_at: datetime | None
    """Written once a minute at most."""
    revoked_at: datetime | None


class ApiKeyHash(IdentityRow):
    """What a key is recognised by, before anybody knows whose it is. It is deleted when the key is revoked."""

    spec: ClassVar = TableSpec(
        "api_key_hashes",
        "akh",
        "API key",
        Policy.IDENTITY,
        indexes=(Index("by_hash", ("hash",), unique=True), Index("by_key", ("key_id",), unique=True)),
    )

    hash: str
    """SHA-256 of the key, hexadecimal. A key has so many random bits that nobody finds it by trying: it needs no slow hash and no salt."""
    key_id: str
    account_id: str
    user_id: str
    scopes: list[str]
