"""The log of what was sent to webhook endpoints, and sending again."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.functions import IdentityMutationContext, QueryContext, field, identity_mutation, query, shows
from resolvers.nodes import Node, node_type
from resolvers.webhook_endpoints import WebhookEndpoint, check_manages, endpoint_to_change, manages, new_message, put_in
from resolvers.webhook_events import TEST, Event, message


@strawberry.enum(description="Where a webhook delivery stands.")
class WebhookDeliveryStatus(Enum):
    """The stations of a delivery."""

    WAITING = strawberry.enum_value("WAITING", description="It has not been tried: it waits for its turn, or for one before it.")
    SCHEDULED = strawberry.enum_value("SCHEDULED", description="It is to be tried at `nextAttemptAt`.")
    DELIVERED = strawberry.enum_value("DELIVERED", description="The receiver has it.")
    FAILED = strawberry.enum_value("FAILED", description="It was given up after ten attempts.")


@node_type(tables.WebhookDelivery, visible=manages)
@strawberry.type(description="One message to one webhook endpoint. Its id is sent as `webhook-id`, the same at each attempt.")
class WebhookDelivery(Node):
    """A delivery of the caller's account."""

    row: strawberry.Private[tables.WebhookDelivery]
    event: str = strawberry.field(description="The type of the event.")
    body: str = strawberry.field(description="The message: JSON.")
    status: WebhookDeliveryStatus = strawberry.field(description="Where it stands.", metadata=shows("state"))
    attempts: int = strawberry.field(description="How often it was tried.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is tried again; null where it is not, or waits.")
    last_attempt_at: datetime | None = strawberry.field(description="When it was last tried; null where it never was.")
    response_status: int | None = strawberry.field(description="The HTTP status of the last answer; null where there was none.")
    response_body: str | None = strawberry.field(description="How the last answer began; null where there was none.")
    error: str | None = strawberry.field(description="Why the last attempt failed; null where it did not.")
    duration_ms: int | None = strawberry.field(description="Milliseconds until the last answer; null where there was none.")
    delivered_at: datetime | None = strawberry.field(description="When the receiver first took it; null where it never did.")

    @classmethod
    def of(cls, row: tables.WebhookDelivery) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            event=row.event,
            body=row.body,
            status=WebhookDeliveryStatus(row.state),
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            last_attempt_at=row.last_attempt_at,
            response_status=row.response_status,
            response_body=row.response_body,
            error=row.error,
            duration_ms=row.duration_ms,
            delivered_at=row.delivered_at,
        )

    @field(columns=["endpoint_id"])
    async def endpoint(self, ctx: QueryContext) -> WebhookEndpoint | None:
        """The endpoint that it is for; null where that was deleted."""
        row = await ctx.db.shown.get(tables.WebhookEndpoint, self.row.endpoint_id)
        return None if row is None else WebhookEndpoint.of(row)


@query
async def webhook_deliveries(
    ctx: QueryContext,
    endpoint_id: Annotated[strawberry.ID, strawberry.argument(description="The id of a webhook endpoint.")],
    status: Annotated[WebhookDeliveryStatus | None, strawberry.argument(description="Only deliveries that stand there.")] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> Connection[WebhookDelivery]:
    """What was sent to a webhook endpoint, or is to be, of the last 30 days, the newest first. For owners and managers."""
    check_manages(ctx.role)
    id = id_of(tables.WebhookEndpoint, endpoint_id, "endpointId")
    if await ctx.db.shown.get(tables.WebhookEndpoint, id) is None:
        raise NotFoundError("endpointId: there is no such webhook endpoint.")
    index, equals = ("by_created", (id,)) if status is None else ("by_state", (id, str(status.value)))
    page = await ctx.db.shown.page(tables.WebhookDelivery, index, equals, first=first, after=after, descending=True)
    return Connection.of(page, WebhookDelivery.of)


@identity_mutation()
async def send_test_webhook(
    ctx: IdentityMutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a webhook endpoint.")]
) -> WebhookDelivery:
    """Sends a message of the type `webhook.test` to a webhook endpoint, at once. For owners and managers.

    CONFLICT where it is switched off.
    """
    endpoint = await endpoint_to_change(ctx, id, "id")
    _check_on(endpoint)
    body = message(TEST, ctx.now, {"endpointId": endpoint.id})
    delivery = await ctx.writer(ctx.scope).insert(new_message(endpoint, Event(TEST, "", body), ctx.now))
    await put_in(ctx, endpoint)
    return WebhookDelivery.of(delivery)


@identity_mutation()
async def redeliver_webhook(
    ctx: IdentityMutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a webhook delivery.")]
) -> WebhookDelivery:
    """Sends a message again, at once, with the same id: one that was given up, that the receiver lost, or that is to be tried later.

    One that waits for its turn stays in line. For owners and managers. CONFLICT where the endpoint is switched off.
    """
    check_manages(ctx.scope.role)
    db = ctx.writer(ctx.scope)
    delivery = await db.get_existing(tables.WebhookDelivery, id_of(tables.WebhookDelivery, id, "id"))
    endpoint = await db.get_existing(tables.WebhookEndpoint, delivery.endpoint_id, "id")
    _check_on(endpoint)
    if delivery.state != "WAITING":
        delivery = await db.update(delivery, state="SCHEDULED", next_attempt_at=ctx.now)
        await put_in(ctx, endpoint)
    return WebhookDelivery.of(delivery)


def _check_on(endpoint: tables.WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise ConflictError("This webhook endpoint is switched off; switch it on first.")
