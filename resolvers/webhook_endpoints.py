"""Webhook endpoints: URLs of the business that are told of changes. Owners and managers deal with them."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, ForbiddenError, InvalidInputError
from datastore.scope import Role, Scope
from datastore.webhook_feed import EVER, Subscriber, begin_feed
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import differences, record
from resolvers.connections import Connection
from resolvers.functions import IdentityMutationContext, QueryContext, field, identity_mutation, query
from resolvers.members import Member, member_of
from resolvers.nodes import Node, node_type
from resolvers.outward import LONGEST_URL, checked_url
from resolvers.text import ShortText
from resolvers.webhook_events import GAP, Event, checked_events, gap_message, new_delivery
from resolvers.webhook_signing import new_secret

MOST_ENDPOINTS: Final = 20
"""Of one business."""

OVERLAP: Final = timedelta(hours=24)
"""How long signatures with the old secret are sent too, after there is a new one."""

MOST_EVENTS: Final = 100

URL = f"Where messages are posted to: an https URL of at most {LONGEST_URL:,} characters, at port 443 or 8443, on the public internet."
EVENTS = (
    'What it is told of: a kind of row, a dot, and created, updated, deleted or *, as in "sale.created" and "product.*". An empty list: '
    "everything, kinds that come later included."
)
DESCRIPTION = "What it is for, up to 200 characters."


def check_manages(role: Role) -> None:
    """Raises ForbiddenError for who does not deal with webhooks."""
    if role == "STAFF":
        raise ForbiddenError("Only owners and managers of the business deal with its webhooks.")


def manages(scope: Scope, _row: object) -> bool:
    """Whether somebody may see what webhooks are made of."""
    return scope.role != "STAFF"


@node_type(tables.WebhookEndpoint, visible=manages)
@strawberry.type(description="A URL that is told of changes of your rows, by messages signed as Standard Webhooks says.")
class WebhookEndpoint(Node):
    """An endpoint of the caller's account."""

    row: strawberry.Private[tables.WebhookEndpoint]
    url: str = strawberry.field(description="Where messages are posted to.")
    description: str = strawberry.field(description="What it is for.")
    events: list[str] = strawberry.field(description="What it is told of; an empty list: everything.")
    enabled: bool = strawberry.field(description="Whether it is sent to. Changes that are made while it is off are not kept for it.")
    disabled_at: datetime | None = strawberry.field(description="When it was switched off; null where it is on.")
    disabled_reason: str | None = strawberry.field(description="Why it was switched off by itself; null where somebody did, or it is on.")
    failing_since: datetime | None = strawberry.field(description="Since when nothing could be delivered; null where the last message was.")
    old_secret_until: datetime | None = strawberry.field(
        description="Until when messages are signed with the old secret, too; null where there is none."
    )

    @classmethod
    def of(cls, row: tables.WebhookEndpoint) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            url=row.url,
            description=row.description,
            events=row.events,
            enabled=row.enabled,
            disabled_at=row.disabled_at,
            disabled_reason=row.disabled_reason,
            failing_since=row.failing_since,
            old_secret_until=row.old_secret_until,
        )

    @field(columns=["created_by_id"])
    async def created_by(self, ctx: QueryContext) -> Member | None:
        """Who made it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.created_by_id)


@strawberry.type(description="A webhook endpoint with a new secret.")
class NewWebhookSecret:
    """What making an endpoint, and rotating its secret, give."""

    secret: str = strawberry.field(
        description="What messages are signed with, `whsec_…`, shown this once: the receiver verifies them with it."
    )
    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint.")


def _events(events: list[str]) -> list[str]:
    if len(events) > MOST_EVENTS:
        raise ValueError(f"must name at most {MOST_EVENTS} events")
    return checked_events(events)


Events = Annotated[list[str], AfterValidator(_events)]


@strawberry.pydantic.input(description="A new webhook endpoint.")
class CreateWebhookEndpointInput(BaseModel):
    """A new endpoint."""

    url: str = Field(description=URL)
    events: Events = Field(default_factory=list, description=EVENTS)
    description: ShortText = Field(default="", description=DESCRIPTION)


@strawberry.pydantic.input(description="What to change of a webhook endpoint; what is left out stays.")
class UpdateWebhookEndpointInput(BaseModel):
    """Changes of an endpoint."""

    id: strawberry.ID = Field(description="The endpoint to change.")
    url: strawberry.Maybe[str] = Field(default=None, description=URL)
    events: strawberry.Maybe[Events] = Field(default=None, description=EVENTS)
    description: strawberry.Maybe[ShortText] = Field(default=None, description=DESCRIPTION)
    enabled: strawberry.Maybe[bool] = Field(
        default=None,
        description="Whether it is sent to. Switched on again, it is sent what waited, and `feed.gap`, which says what it missed.",
    )


Id = Annotated[strawberry.ID, strawberry.argument(description="The id of a webhook endpoint.")]


@query
async def webhook_endpoints(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[WebhookEndpoint]:
    """The webhook endpoints of your business, the newest first. For owners and managers."""
    check_manages(ctx.role)
    page = await ctx.db.shown.page(tables.WebhookEndpoint, "by_created", (), first=first, after=after, descending=True)
    return Connection.of(page, WebhookEndpoint.of)


@identity_mutation()
async def create_webhook_endpoint(
    ctx: IdentityMutationContext, input: Annotated[CreateWebhookEndpointInput, strawberry.argument(description="The new endpoint.")]
) -> NewWebhookSecret:
    """Makes a webhook endpoint, which is told of changes from now on; the answer shows its secret, and nothing ever again.

    For owners and managers. CONFLICT where there are 20.
    """
    check_manages(ctx.scope.role)
    db = ctx.writer(ctx.scope)
    url = _checked(ctx, input.url)
    # Where workers are processes of their own, the first may be started after this.
    await ctx.once("feed", lambda: begin_feed(ctx.services.database, ctx.now))
    await _check_room(db)
    secret = new_secret()
    row = await db.insert(
        tables.WebhookEndpoint(
            id=tables.WebhookEndpoint.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=ctx.scope.account_id,
            url=url,
            description=input.description,
            events=input.events,
            enabled=True,
            disabled_at=None,
            disabled_reason=None,
            failing_since=None,
            secret=ctx.services.outside.sealer.seal(secret),
            old_secret=None,
            old_secret_until=None,
            created_by_id=ctx.scope.user_id,
        )
    )
    await ctx.identity.insert(_queue_of(row, ctx.now))
    await record(db, "WEBHOOK_CREATED", subject=row.id, detail=row.url)
    return NewWebhookSecret(secret=secret, endpoint=WebhookEndpoint.of(row))


@identity_mutation()
async def update_webhook_endpoint(
    ctx: IdentityMutationContext, input: Annotated[UpdateWebhookEndpointInput, strawberry.argument(description="What to change.")]
) -> WebhookEndpoint:
    """Changes a webhook endpoint. For owners and managers."""
    row = await endpoint_to_change(ctx, input.id, "input.id")
    changes: dict[str, Any] = input.model_dump(exclude_unset=True, exclude={"id", "enabled"})
    if "url" in changes:
        changes["url"] = _checked(ctx, changes["url"])
    wanted = input.model_dump(include={"enabled"}, exclude_unset=True)
    if wanted.get("enabled", row.enabled) != row.enabled:
        changes |= await _switched(ctx, row, on=not row.enabled)
    db = ctx.writer(ctx.scope)
    changed = await db.update(row, **changes)
    await record(db, "WEBHOOK_CHANGED", subject=row.id, detail=differences(row, changes))
    return WebhookEndpoint.of(changed)


@identity_mutation()
async def rotate_webhook_secret(ctx: IdentityMutationContext, id: Id) -> NewWebhookSecret:
    """Makes a new secret for a webhook endpoint, which the answer shows. For 24 hours messages are signed with the old one, too.

    For owners and managers.
    """
    row = await endpoint_to_change(ctx, id, "id")
    secret = new_secret()
    db = ctx.writer(ctx.scope)
    changed = await db.update(
        row, secret=ctx.services.outside.sealer.seal(secret), old_secret=row.secret, old_secret_until=ctx.now + OVERLAP
    )
    await record(db, "WEBHOOK_CHANGED", subject=row.id, detail="a new secret")
    return NewWebhookSecret(secret=secret, endpoint=WebhookEndpoint.of(changed))


@identity_mutation()
async def delete_webhook_endpoint(ctx: IdentityMutationContext, id: Id) -> WebhookEndpoint:
    """Deletes a webhook endpoint, and its deliveries soon after. For owners and managers."""
    row = await endpoint_to_change(ctx, id, "id")
    db = ctx.writer(ctx.scope)
    await db.delete(row)
    await record(db, "WEBHOOK_DELETED", subject=row.id, detail=row.url)
    await put_in(ctx, row, closed=True)
    return WebhookEndpoint.of(row)


async def endpoint_to_change(ctx: IdentityMutationContext, id: str, path: str) -> tables.WebhookEndpoint:
    """The endpoint with this id. Raises ForbiddenError for who does not deal with webhooks, NotFoundError, InvalidInputError."""
    check_manages(ctx.scope.role)
    return await ctx.writer(ctx.scope).get_existing(tables.WebhookEndpoint, id_of(tables.WebhookEndpoint, id, path), path)


async def put_in(ctx: IdentityMutationContext, endpoint: tables.WebhookEndpoint, *, closed: bool = False) -> None:
    """Has the endpoint's queue looked at as soon as this transaction commits, whether or not its receiver failed before."""
    queue = await ctx.identity.find(tables.WebhookQueue, "by_endpoint", endpoint.id)
    if queue is not None:
        await ctx.identity.update(queue, due_at=ctx.now, wanted=queue.wanted + 1, paused_until=EVER, failures=0, closed=closed)


def new_message(endpoint: tables.WebhookEndpoint, event: Event, now: datetime) -> tables.WebhookDelivery:
    """A delivery that is due at once, out of the order of the changes."""
    subscriber = Subscriber(endpoint.id, endpoint.account_id, endpoint.created_by_id, ())
    return new_delivery(subscriber, event, now, 0).model_copy(update={"state": "SCHEDULED", "next_attempt_at": now})


async def _switched(ctx: IdentityMutationContext, row: tables.WebhookEndpoint, *, on: bool) -> dict[str, Any]:
    """What changes of an endpoint that is switched on or off."""
    if not on:
        return {"enabled": False, "disabled_at": ctx.now}
    body = gap_message(row.disabled_at or ctx.now, ctx.now)
    await ctx.writer(ctx.scope).insert(new_message(row, Event(GAP, "", body), ctx.now))
    await put_in(ctx, row)
    return {"enabled": True, "disabled_at": None, "disabled_reason": None, "failing_since": None}


def _checked(ctx: IdentityMutationContext, url: str) -> str:
    try:
        return checked_url(url, allow_private=ctx.services.settings.webhook_allow_private)
    except ValueError as error:
        raise InvalidInputError.of("input.url", str(error)) from None


async def _check_room(db: Writer) -> None:
    """Raises ConflictError where the business has as many endpoints as it may have."""
    await db.guard(await db.get_existing(tables.Account, db.scope.account_id))  # two at once must not both be the last
    if len(await db.scan(tables.WebhookEndpoint, "by_created", (), first=MOST_ENDPOINTS)) >= MOST_ENDPOINTS:
        raise ConflictError(f"The business has {MOST_ENDPOINTS} webhook endpoints; delete one that is no longer used.")


def _queue_of(row: tables.WebhookEndpoint, now: datetime) -> tables.WebhookQueue:
    return tables.WebhookQueue(
        id=tables.WebhookQueue.new_id(),
        created_at=now,
        updated_at=now,
        endpoint_id=row.id,
        account_id=row.account_id,
        due_at=None,
        wanted=0,
        holder=None,
        lease_until=EVER,
        paused_until=EVER,
        failures=0,
        closed=False,
    )
