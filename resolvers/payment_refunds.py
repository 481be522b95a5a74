"""The work of giving money back through Stripe, for refunds of sales that were paid there. Internal; `refunds.py` shows what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from datastore import schema as tables
from datastore.errors import NotFoundError, UnavailableError
from resolvers.actions import ActionContext, Outcome, PermanentError, action
from resolvers.functions import MutationContext, QueryContext
from resolvers.payment_intents import ACCOUNT, ATTEMPTS, PAYMENT, TIMEOUT
from resolvers.stripe_amounts import stripe_amount
from resolvers.stripe_api import AT_ONCE, PaymentRefusedError

REFUND: Final = "tillstream_refund"
"""The name in the metadata of a refund at Stripe."""

STATUS_OF: Final[Mapping[str, str]] = {"succeeded": "SUCCEEDED", "failed": "FAILED", "canceled": "FAILED"}
"""By Stripe's status of a refund; all others are PENDING."""

NOT_GIVEN_BACK: Final = "Stripe could not give it back."


@dataclass(frozen=True, slots=True)
class Back:
    """A refund as Stripe is told of it."""

    row: tables.Refund
    intent_id: str
    amount: int
    """As Stripe counts."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What tells it from others of the same payment."""
        return {ACCOUNT: self.row.account_id, PAYMENT: self.row.payment_id or "", REFUND: self.row.id}


@action(attempts=ATTEMPTS, first_backoff=10, timeout=TIMEOUT, at_once=AT_ONCE)
async def give_back(ctx: ActionContext, *, refund_id: str) -> Outcome:
    """Gives the money of a refund back at Stripe, once however often it is tried."""
    back = await ctx.query(back_of, refund_id=refund_id)
    if back.row.job_id != ctx.handle:  # two that look at once what Stripe gave back would both find nothing
        raise PermanentError("Another job gives it back.")
    if back.row.status != "SUCCEEDED":
        await _give_back(ctx, back)
    return Outcome({"refundId": refund_id})


async def _give_back(ctx: ActionContext, back: Back) -> None:
    try:
        given = await ctx.outside.payments.refund(back.intent_id, back.amount, back.metadata, ctx.handle)
    except UnavailableError as error:
        status = "FAILED" if ctx.last else "PENDING"
        await ctx.mutate(note_refund, refund_id=back.row.id, status=status, failure=error.message)
        raise
    except PaymentRefusedError as refused:
        await ctx.mutate(note_refund, refund_id=back.row.id, status="FAILED", failure=str(refused))
        raise PermanentError(str(refused)) from refused
    status = STATUS_OF.get(given.status, "PENDING")
    failure = given.failure or NOT_GIVEN_BACK if status == "FAILED" else ""
    await ctx.mutate(note_refund, refund_id=back.row.id, status=status, failure=failure, provider_id=given.id)
    if failure:
        raise PermanentError(failure)


async def back_of(ctx: QueryContext, refund_id: str) -> Back:
    """A refund as it is now. Raises NotFoundError where there is none through Stripe."""
    row = await ctx.db.get(tables.Refund, refund_id)
    payment = None if row is None or row.payment_id is None else await ctx.db.get(tables.Payment, row.payment_id)
    if row is None or payment is None or payment.provider_id is None:
        raise NotFoundError("There is no such refund through Stripe.")
    return Back(row, payment.provider_id, stripe_amount(row.amount_minor, row.currency))


async def note_refund(ctx: MutationContext, refund_id: str, status: str, failure: str, provider_id: str | None = None) -> None:
    """Notes what Stripe says of a refund, in whatever order it comes: what succeeded may fail yet, but what failed there stays so.

    Of a refund that is tried again, what Stripe makes anew is another one there: how the one before it ended says nothing of that.
    """
    db = ctx.for_business.db
    row = await db.get_existing(tables.Refund, refund_id)
    failed_there = row.status == "FAILED" and row.provider_id is not None and provider_id in {None, row.provider_id}
    if failed_there or (row.status == "SUCCEEDED" and status == "PENDING"):
        return
    await db.update(row, status=status, failure=failure, provider_id=provider_id or row.provider_id)
