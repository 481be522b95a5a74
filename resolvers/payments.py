"""Payments of sales through Stripe, as people see them, and `createPayment`, which asks for one.

A sale that awaits its payment has one active payment at most. Asking writes it, with the job that makes its PaymentIntent
(`payment_intents.py`); the customer then pays in the browser, with Stripe alone; and Stripe says what came of it (`payment_events.py`).
"""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.reading import MAX_FIRST
from datastore.sealing import SealBrokenError
from resolvers import payment_intents
from resolvers.arguments import id_of
from resolvers.functions import MutationContext, QueryContext, field, mutation_in_turn, shows
from resolvers.jobs import Job
from resolvers.money import Money, from_minor
from resolvers.nodes import Node, node_type
from resolvers.sales import Sale
from resolvers.stripe_amounts import stripe_amount

MOST_PAYMENTS = MAX_FIRST
"""Of one sale, so that they can be shown as a plain list."""


@strawberry.enum(description="Where a payment stands.")
class PaymentState(Enum):
    """The stations of a payment."""

    CREATING = strawberry.enum_value("CREATING", description="Stripe is being told of it.")
    OPEN = strawberry.enum_value("OPEN", description="The customer can pay it; `failure` says why the last try did not succeed.")
    PROCESSING = strawberry.enum_value("PROCESSING", description="The customer has paid, and the bank has yet to confirm it.")
    SUCCEEDED = strawberry.enum_value("SUCCEEDED", description="The money is there, and the sale is paid.")
    MISMATCHED = strawberry.enum_value(
        "MISMATCHED", description="Money came, but not the amount that was asked for: the sale is not paid, and `notice` says more."
    )
    FAILED = strawberry.enum_value("FAILED", description="Stripe could not be told of it; another can be created.")
    CANCELED = strawberry.enum_value("CANCELED", description="It was called off before money came.")
    RETURNING = strawberry.enum_value("RETURNING", description="The money is given back as a whole, because the sale needs none any more.")
    RETURNED = strawberry.enum_value("RETURNED", description="The money was given back as a whole.")


@node_type(tables.Payment)
@strawberry.type(description="A customer's payment of a sale through Stripe.")
class Payment(Node):
    """A payment of the caller's account."""

    row: strawberry.Private[tables.Payment]
    status: PaymentState = strawberry.field(description="Where it stands.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amount is in.")
    amount: Money = strawberry.field(description="What is paid.", metadata=shows("amount_minor", "currency"))
    provider_id: str | None = strawberry.field(description="The id of Stripe's PaymentIntent; null until it is known.")
    failure: str | None = strawberry.field(description="Why the last try did not succeed; null where none failed.")
    notice: str | None = strawberry.field(description="What somebody should look at in Stripe's dashboard; null where all is well.")
    paid_at: datetime | None = strawberry.field(description="When the money came; null while it has not.")

    @classmethod
    def of(cls, row: tables.Payment) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            status=PaymentState(row.status),
            currency=row.currency,
            amount=from_minor(row.amount_minor, row.currency),
            provider_id=row.provider_id,
            failure=row.failure or None,
            notice=row.notice or None,
            paid_at=row.paid_at,
        )

    @field(columns=["status", "sealed_secret"])
    async def client_secret(self, ctx: QueryContext) -> str | None:
        """What Stripe.js pays with: hand it to the browser of the customer, and to nobody else. Null unless the payment is OPEN."""
        if self.row.status != "OPEN" or self.row.sealed_secret is None:
            return None
        try:
            return ctx.sealer.open(self.row.sealed_secret)
        except SealBrokenError:  # the server's secret was changed meanwhile: then the sale is voided, and recorded again
            return None

    @field(columns=["sale_id"])
    async def sale(self, ctx: QueryContext) -> Sale | None:
        """The sale that it pays."""
        row = await ctx.db.shown.get(tables.Sale, self.row.sale_id)
        return None if row is None else Sale.of(row)


@mutation_in_turn
async def create_payment(
    ctx: MutationContext,
    sale_id: Annotated[strawberry.ID, strawberry.argument(description="The id of a sale whose `paymentStatus` is PENDING.")],
) -> Job:
    """Asks the customer of a sale that awaits its payment for all of its total, through Stripe.

    The job's `result` has the `paymentId`, and the `publishableKey` where the server knows it; for the rest, watch the sale's
    `paymentStatus` and `payments { status clientSecret }`. CONFLICT where the sale is paid or voided, has an active payment already, or
    comes to an amount that Stripe cannot take.
    """
    sale = await ctx.db.get_existing(tables.Sale, id_of(tables.Sale, sale_id, "saleId"), "saleId")
    if sale.status == "VOIDED":
        raise ConflictError(f"Sale {sale.number} was voided.")
    if sale.payment_status == "PAID":
        raise ConflictError(f"Sale {sale.number} is paid already.")
    stripe_amount(sale.total_minor, sale.currency)
    books = ctx.for_business  # who may ask for a payment may do no more than that
    await _make_room(books, sale)
    await books.db.guard(sale)
    payment_id = tables.Payment.new_id()
    job = await ctx.schedule(payment_intents.create_payment, {"payment_id": payment_id})
    await ctx.db.insert(
        tables.Payment(
            id=payment_id,
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=sale.account_id,
            sale_id=sale.id,
            status="CREATING",
            currency=sale.currency,
            amount_minor=sale.total_minor,
            provider_id=None,
            sealed_secret=None,
            failure="",
            notice="",
            provider_at=0,
            paid_at=None,
            job_id=job.id,
            requested_by_id=ctx.scope.user_id,
        )
    )
    return Job.of(job)


async def _make_room(ctx: MutationContext, sale: tables.Sale) -> None:
    """Gives up a payment that Stripe was never told of, because its job failed. Raises ConflictError where another may still be paid."""
    active = await ctx.db.find(tables.Payment, "by_active", sale.id)
    if active is not None:
        job = await ctx.db.get(tables.Job, active.job_id)
        if active.status != "CREATING" or (job is not None and job.status in {"QUEUED", "RUNNING"}):
            raise ConflictError(f"Sale {sale.number} has an active payment already: see its `payments`.")
        await ctx.db.update(active, status="FAILED", failure=active.failure or (job.error if job is not None else "") or "")
    others = await ctx.db.scan(tables.Payment, "by_sale", (sale.id,), first=MOST_PAYMENTS)
    if len(others) == MOST_PAYMENTS:
        raise ConflictError(f"There are {MOST_PAYMENTS} payments of sale {sale.number}, the most there can be.")
