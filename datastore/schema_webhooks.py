"""The tables of outgoing webhooks: part of the page in `datastore/schema.py`. How they work together is in `docs/webhooks.md`."""

from datetime import datetime
from typing import ClassVar, Literal

from datastore.tables import IdentityRow, Index, OwnedRow, Policy, TableSpec

DeliveryState = Literal["WAITING", "SCHEDULED", "DELIVERED", "FAILED"]


class WebhookEndpoint(OwnedRow):
    """A URL of the business that is told of changes."""

    spec: ClassVar = TableSpec(
        "webhook_endpoints", "whe", "webhook endpoint", indexes=(Index("by_created", ("created_at",)),), followed=False
    )

    url: str
    description: str
    events: list[str]
    """What it is told of, as in "sale.created" and "product.*"; none named: of everything."""
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    """Why it was switched off by itself, in words for its owner; null where its owner did."""
    failing_since: datetime | None
    """The first failure after the last success."""
    secret: str
    """What deliveries are signed with, sealed."""
    old_secret: str | None
    """The one before it, sealed; signatures with it are sent too until `old_secret_until`."""
    old_secret_until: datetime | None
    created_by_id: str


class WebhookDelivery(OwnedRow):
    """One message to one endpoint, and what became of it. Its id is the message's id on the wire, the same at each attempt."""

    spec: ClassVar = TableSpec(
        "webhook_deliveries",
        "whd",
        "webhook delivery",
        indexes=(
            Index("by_created", ("endpoint_id", "created_at")),
            Index("by_state", ("endpoint_id", "state", "created_at")),
            Index("by_number", ("endpoint_id", "state", "number")),
            Index("by_row", ("endpoint_id", "row_id", "state", "number")),
        ),
        followed=False,
    )

    endpoint_id: str
    event: str
    row_id: str
    """The row that it tells of, whose messages go out one after the other; its own id where it tells of none."""
    body: str
    state: DeliveryState
    """WAITING: not tried yet, in line by `number`. SCHEDULED: to be tried at `next_attempt_at`; what waits for the same row waits on."""
    number: int
    """Its place in the order of the changes of all accounts; 0 where somebody asked for it."""
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    response_status: int | None
    response_body: str | None
    """How the last answer began."""
    error: str | None
    duration_ms: int | None
    delivered_at: datetime | None


class WebhookQueue(IdentityRow):
    """What one process at a time holds while it sends to an endpoint. There is one for each endpoint, and for one that was deleted until
    its deliveries are.
    """

    spec: ClassVar = TableSpec(
        "webhook_queues",
        "whq",
        "webhook queue",
        Policy.IDENTITY,
        indexes=(Index("by_due", ("due_at",)), Index("by_endpoint", ("endpoint_id",), unique=True)),
    )

    endpoint_id: str
    account_id: str
    due_at: datetime | None
    """When there is something to be sent; null while there is not."""
    wanted: int
    """Rises with all that is put in: who saw less has not seen everything."""
    holder: str | None
    lease_until: datetime
    """Until then the holder alone sends."""
    paused_until: datetime
    """Until then nobody sends, for the receiver has failed again and again."""
    failures: int
    """Without a success between them."""
    closed: bool
    """Whether the endpoint was deleted."""


class WebhookFeed(IdentityRow):
    """How far the changes have been turned into deliveries, and by which process: one row for a deployment."""

    spec: ClassVar = TableSpec("webhook_feeds", "whf", "webhook feed", Policy.IDENTITY, indexes=(Index("by_name", ("name",), unique=True),))

    name: str
    holder: str | None
    lease_until: datetime
    time: int
    """The version that it stands at, with the token a `datastore.feed.Position`."""
    token: str
    number: int
    """The last that was given to a delivery."""
    gaps: int
    """How often changes were lost because the database had not kept them."""
