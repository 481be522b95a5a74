"""The tables of payments through Stripe: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import computed_field

from datastore.rights import EVERYONE, NOBODY, Rights
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec

PaymentStatus = Literal["CREATING", "OPEN", "PROCESSING", "SUCCEEDED", "MISMATCHED", "FAILED", "CANCELED", "RETURNING", "RETURNED"]


class Payment(OwnedRow):
    """A customer's payment of a sale at Stripe: a PaymentIntent there."""

    spec: ClassVar = TableSpec(
        "payments",
        "pay",
        "payment",
        indexes=(
            Index("by_sale", ("sale_id", "created_at")),
            Index("by_active", ("active_sale_id",), unique=True),
            Index("by_provider", ("provider_id",), unique=True),
        ),
        references=(Reference("sale_id", "sales", OnDelete.RESTRICT),),
        rights=Rights(read=EVERYONE, insert=EVERYONE, change=NOBODY, delete=NOBODY),
    )

    sale_id: str
    status: PaymentStatus
    currency: str
    amount_minor: int
    provider_id: str | None
    """Of the PaymentIntent (`pi_…`); null until it is known."""
    sealed_secret: str | None
    """The client secret of the PaymentIntent, sealed: it lets whoever has it pay."""
    failure: str
    """Why the last attempt did not succeed, in Stripe's words; empty where none failed."""
    notice: str
    """What somebody should look at in Stripe's dashboard; empty where all is well."""
    provider_at: int
    """When the newest of the events that changed it happened, by Stripe's clock, in seconds since 1970; 0 before the first."""
    paid_at: datetime | None
    job_id: str
    """Of the job that makes the PaymentIntent."""
    requested_by_id: str
    """A user's; what events do is recorded for them."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def active_sale_id(self) -> str | None:
        """Its sale while it may pay it, or has: a sale has one such payment at most."""
        return self.sale_id if self.status in {"CREATING", "OPEN", "PROCESSING", "SUCCEEDED", "MISMATCHED"} else None


class PaymentEvent(OwnedRow):
    """An event of Stripe's that was taken, written in the transaction of what it did: none is taken twice."""

    spec: ClassVar = TableSpec(
        "payment_events",
        "pev",
        "payment's event",
        indexes=(Index("by_event", ("event_id",), unique=True), Index("by_payment", ("payment_id", "created_at"))),
        references=(Reference("payment_id", "payments", OnDelete.RESTRICT),),
        followed=False,
        append_only=True,
        rights=Rights(read=NOBODY, insert=NOBODY, change=NOBODY, delete=NOBODY),
    )

    payment_id: str
    event_id: str
    """Stripe's (`evt_…`)."""
    kind: str
    """Such as `payment_intent.succeeded`."""
    provider_at: int
    """When it happened, by Stripe's clock, in seconds since 1970."""
