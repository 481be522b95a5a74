"""The work that payments are at Stripe: PaymentIntents made, cancelled, and given back. Internal; `payments.py` shows what came of it.

Every PaymentIntent names its account and payment in its metadata, which nobody but this server and who has its Stripe account can write:
that is how an event finds its payment, even one that comes before the answer to the call that made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from datastore import schema as tables
from datastore.errors import NotFoundError, UnavailableError
from resolvers.actions import ActionContext, Outcome, PermanentError, action
from resolvers.functions import MutationContext, QueryContext
from resolvers.stripe_amounts import stripe_amount
from resolvers.stripe_api import AT_ONCE, Intent, PaymentRefusedError

ACCOUNT: Final = "tillstream_account"
PAYMENT: Final = "tillstream_payment"
"""The names in the metadata of all that is made at Stripe."""

CREATING_ATTEMPTS: Final = 8
"""Within about four minutes: a customer waits."""

ATTEMPTS: Final = 14
"""With a backoff from 10 seconds to an hour, about eight hours."""

TIMEOUT: Final = 90.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment as Stripe is told of it."""

    row: tables.Payment
    amount: int
    """As Stripe counts."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the PaymentIntent and whatever is done with it bears."""
        return {ACCOUNT: self.row.account_id, PAYMENT: self.row.id}


@action(attempts=CREATING_ATTEMPTS, first_backoff=2, timeout=TIMEOUT, at_once=AT_ONCE)
async def create_payment(ctx: ActionContext, *, payment_id: str) -> Outcome:
    """Makes the PaymentIntent of a payment, and cancels it again where nobody needs it any more."""
    asked = await ctx.query(asked_of, payment_id=payment_id)
    if asked.row.status not in {"CREATING", "OPEN"}:
        raise PermanentError("The payment is no longer wanted.")
    payments, intent = ctx.outside.payments, None
    try:
        intent = await payments.create_intent(asked.amount, asked.row.currency, asked.metadata, ctx.handle)
    except PaymentRefusedError as refused:
        await ctx.mutate(note_refusal, payment_id=payment_id, failure=str(refused))
        raise PermanentError(str(refused)) from refused
    secret = ctx.outside.sealer.seal(intent.client_secret)
    if not await ctx.mutate(note_intent, payment_id=payment_id, intent_id=intent.id, sealed_secret=secret):
        await _cancel(ctx, intent)
        raise PermanentError("The payment is no longer wanted.")
    return Outcome(_result(ctx, payment_id))


def _result(ctx: ActionContext, payment_id: str) -> dict[str, Any]:
    return {"paymentId": payment_id, "publishableKey": ctx.outside.payments.publishable_key}


async def _cancel(ctx: ActionContext, intent: Intent) -> None:
    try:
        await ctx.outside.payments.cancel_intent(intent.id, f"{ctx.handle}/cancel")
    except PaymentRefusedError as refused:
        raise PermanentError(str(refused)) from refused


@action(attempts=ATTEMPTS, first_backoff=10, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def cancel_payment(ctx: ActionContext, *, intent_id: str) -> None:
    """Cancels the PaymentIntent of a payment that was called off. Where the customer was quicker, the event that says so gives it back."""
    try:
        await ctx.outside.payments.cancel_intent(intent_id, ctx.handle)
    except PaymentRefusedError as refused:
        raise PermanentError(str(refused)) from refused


@action(attempts=ATTEMPTS, first_backoff=10, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def return_payment(ctx: ActionContext, *, payment_id: str) -> None:
    """Gives back the whole of a payment that its sale has no use for."""
    asked = await ctx.query(asked_of, payment_id=payment_id)
    if asked.row.status != "RETURNING" or asked.row.provider_id is None:
        return
    try:
        given = await ctx.outside.payments.refund(asked.row.provider_id, None, asked.metadata, ctx.handle)
    except UnavailableError as error:
        await ctx.mutate(note_return, payment_id=payment_id, failure=error.message)
        raise
    except PaymentRefusedError as refused:
        await ctx.mutate(note_return, payment_id=payment_id, failure=str(refused))
        raise PermanentError(str(refused)) from refused
    failure = given.failure or "Stripe could not give it back." if given.status in {"failed", "canceled"} else ""
    await ctx.mutate(note_return, payment_id=payment_id, failure=failure, done=not failure)


async def asked_of(ctx: QueryContext, payment_id: str) -> Asked:
    """A payment as it is now. Raises NotFoundError."""
    row = await ctx.db.get(tables.Payment, payment_id)
    if row is None:
        raise NotFoundError("There is no such payment.")
    return Asked(row, stripe_amount(row.amount_minor, row.currency))


async def note_intent(ctx: MutationContext, payment_id: str, intent_id: str, sealed_secret: str) -> bool:
    """Notes the PaymentIntent that was made for a payment; whether it is wanted. An event may have told of it before."""
    db = ctx.for_business.db
    row = await db.get_existing(tables.Payment, payment_id)
    if row.provider_id not in {None, intent_id} or row.status in {"FAILED", "CANCELED"}:
        return False
    status = "OPEN" if row.status == "CREATING" else row.status
    await db.update(row, status=status, provider_id=intent_id, sealed_secret=sealed_secret)
    return True


async def note_refusal(ctx: MutationContext, payment_id: str, failure: str) -> None:
    """Notes that Stripe does not take a payment."""
    db = ctx.for_business.db
    row = await db.get_existing(tables.Payment, payment_id)
    if row.status == "CREATING":
        await db.update(row, status="FAILED", failure=failure)


async def note_return(ctx: MutationContext, payment_id: str, failure: str, *, done: bool = False) -> None:
    """Notes how far a payment has been given back."""
    db = ctx.for_business.db
    row = await db.get_existing(tables.Payment, payment_id)
    if row.status == "RETURNING":
        await db.update(row, status="RETURNED" if done else "RETURNING", failure=failure)


async def call_off(ctx: MutationContext, payment: tables.Payment) -> None:
    """Sees to it that a payment of a sale that was called off brings nothing: it is cancelled, or given back."""
    if payment.status in {"SUCCEEDED", "MISMATCHED"}:
        await give_all_back(ctx, payment)
        return
    await ctx.for_business.db.update(payment, status="CANCELED")
    if payment.provider_id is not None:
        await ctx.schedule(cancel_payment, {"intent_id": payment.provider_id})


async def give_all_back(ctx: MutationContext, payment: tables.Payment, **changes: object) -> None:
    """Has the whole of a payment given back."""
    await ctx.for_business.db.update(payment, status="RETURNING", **changes)
    await ctx.schedule(return_payment, {"payment_id": payment.id})
