"""What Stripe says of payments and refunds: its signed events, each taken once, in whatever order they come.

An event is written down in the transaction of what it does (`PaymentEvent`). It finds its payment by the metadata that this server gave the
PaymentIntent; events about anything else are none of ours, and fine. Signatures are those of https://docs.stripe.com/webhooks/signature.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import stripe
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from datastore import schema as tables
from datastore.errors import InvalidInputError, NotFoundError
from datastore.ids import check_id
from resolvers.auth import on_behalf_of
from resolvers.calls import Calls
from resolvers.functions import MutationContext, QueryContext
from resolvers.payment_intents import ACCOUNT, PAYMENT, give_all_back
from resolvers.payment_refunds import NOT_GIVEN_BACK, REFUND, STATUS_OF, note_refund
from resolvers.sales import enter_paid_sale
from resolvers.services import Services
from resolvers.stripe_amounts import stripe_amount

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be."""

logger = logging.getLogger(__name__)


class WebhooksOffError(NotFoundError):
    """No secret is set that events are signed with."""


def _text_map(value: object) -> object:
    return value if isinstance(value, dict) else {}


class _Problem(BaseModel):
    message: str | None = None


class Subject(BaseModel):
    """What an event is about: a PaymentIntent, a charge or a refund, as far as it matters. Amounts are as Stripe counts."""

    id: str = Field(max_length=255)
    metadata: Annotated[dict[str, Any], BeforeValidator(_text_map)] = Field(default_factory=dict)
    status: str | None = None
    currency: str | None = None
    amount: int | None = None
    amount_received: int | None = None
    amount_refunded: int | None = None
    last_payment_error: _Problem | None = None
    failure_reason: str | None = None


class _Data(BaseModel):
    object: dict[str, Any]


class _Envelope(BaseModel):
    id: str = Field(min_length=1, max_length=255)
    type: str = Field(min_length=1, max_length=255)
    created: int = Field(ge=0, lt=2**53)
    data: _Data


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is about a payment of ours."""

    id: str
    kind: str
    created: int
    subject: Subject


async def receive_event(services: Services, body: bytes, signature: str) -> bool:
    """Takes an event that somebody posted; whether it was news about one of our payments.

    Raises WebhooksOffError where events cannot be verified, InvalidInputError where this one is not from Stripe, is too old, or is no
    event, and UnavailableError where it should be sent again.
    """
    event = _event_of(verified(services, body, signature))
    if event is None:
        return False
    account_id, payment_id = event.subject.metadata[ACCOUNT], event.subject.metadata[PAYMENT]
    payment = await Calls(services, on_behalf_of(account_id, "")).query(_payment, payment_id=payment_id)
    if payment is None:
        logger.warning("Stripe's event %s is about the payment %s, which is not here", event.id, payment_id)
        return False
    worker = Calls(services, on_behalf_of(account_id, payment.requested_by_id))
    return await worker.mutate(take_event, payment_id=payment_id, event=event)


def verified(services: Services, body: bytes, signature: str) -> _Envelope:
    """The event that a body holds, if it was signed by Stripe within the last five minutes. Raises as `receive_event` does."""
    secret = services.settings.stripe_webhook_secret
    if secret is None:
        raise WebhooksOffError("Payments are not set up on this server.")
    if not signature.isascii():
        raise InvalidInputError.of("Stripe-Signature", "not a signature of Stripe's")
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret.get_secret_value(), TOLERANCE_SECONDS)
        return _Envelope.model_validate_json(body)
    except stripe.SignatureVerificationError:
        raise InvalidInputError.of("Stripe-Signature", "not a signature of Stripe's over this body, or too old") from None
    except (UnicodeDecodeError, ValidationError):
        raise InvalidInputError.of("body", "no event of Stripe's") from None


def _event_of(envelope: _Envelope) -> Event | None:
    """The event, if it is of a kind that matters and about a payment that this server made."""
    if envelope.type not in _EFFECTS:
        return None
    try:
        subject = Subject.model_validate(envelope.data.object)
    except ValidationError:
        raise InvalidInputError.of("body", "no event of Stripe's") from None
    try:
        check_id(str(subject.metadata.get(ACCOUNT)), tables.Account.spec.prefix, "account", ACCOUNT)
        check_id(str(subject.metadata.get(PAYMENT)), tables.Payment.spec.prefix, "payment", PAYMENT)
    except InvalidInputError:
        return None
    return Event(envelope.id, envelope.type, envelope.created, subject)


async def _payment(ctx: QueryContext, payment_id: str) -> tables.Payment | None:
    return await ctx.db.get(tables.Payment, payment_id)


async def take_event(ctx: MutationContext, payment_id: str, event: Event) -> bool:
    """Does what an event of a payment means, if it is new; whether it was. Internal."""
    ctx = ctx.for_business  # nobody signed in does this
    payment = await ctx.db.get_existing(tables.Payment, payment_id)
    if await ctx.db.find(tables.PaymentEvent, "by_event", event.id) is not None:
        return False
    await ctx.db.insert(
        tables.PaymentEvent(
            id=tables.PaymentEvent.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=payment.account_id,
            payment_id=payment.id,
            event_id=event.id,
            kind=event.kind,
            provider_at=event.created,
        )
    )
    await _EFFECTS[event.kind](ctx, payment, event)
    return True


# --- what events of PaymentIntents do ---


async def _of_intent(ctx: MutationContext, payment: tables.Payment, event: Event) -> None:
    """An event of the payment's own PaymentIntent; another one's changes nothing, and is looked into by who reads the log."""
    if payment.provider_id not in {None, event.subject.id}:
        logger.error("the payment %s is %s at Stripe, but %s calls it %s", payment.id, payment.provider_id, event.id, event.subject.id)
        return
    if payment.provider_id is None:  # it came before the answer to the call that made it
        payment = await ctx.db.update(payment, provider_id=event.subject.id)
    if event.kind == "payment_intent.succeeded":
        await _succeeded(ctx, payment, event)
    elif payment.status in {"CREATING", "OPEN", "PROCESSING"} and event.created >= payment.provider_at:
        await ctx.db.update(payment, provider_at=event.created, **_changes(event))


def _changes(event: Event) -> Mapping[str, object]:
    """The columns that an event changes while nothing is decided yet."""
    if event.kind == "payment_intent.processing":
        return {"status": "PROCESSING", "failure": ""}
    if event.kind == "payment_intent.canceled":
        return {"status": "CANCELED"}
    problem = event.subject.last_payment_error
    return {"status": "OPEN", "failure": (problem and problem.message) or "The payment did not succeed."}


async def _succeeded(ctx: MutationContext, payment: tables.Payment, event: Event) -> None:
    """Money has come, whatever was heard before: the sale is paid, or the money goes back."""
    if payment.status in {"SUCCEEDED", "MISMATCHED", "RETURNING", "RETURNED"}:
        return
    sale = await ctx.db.get_existing(tables.Sale, payment.sale_id)
    changes = {"paid_at": ctx.now, "provider_at": event.created, "failure": ""}
    wrong = _mismatch(payment, event.subject)
    active = await ctx.db.find(tables.Payment, "by_active", sale.id)
    if sale.status == "VOIDED" or sale.payment_status == "PAID" or (active is not None and active.id != payment.id):
        await give_all_back(ctx, payment, notice="The money came when the sale needed none any more.", **changes)
    elif wrong:
        logger.error("the payment %s: %s", payment.id, wrong)
        await ctx.db.update(payment, status="MISMATCHED", notice=wrong, **changes)
    else:
        await ctx.db.update(payment, status="SUCCEEDED", **changes)
        await enter_paid_sale(ctx, sale)


def _mismatch(payment: tables.Payment, intent: Subject) -> str:
    """What is wrong with the amount that came; empty where nothing is."""
    asked = stripe_amount(payment.amount_minor, payment.currency)
    came = intent.amount if intent.amount_received is None else intent.amount_received
    if came == asked and (intent.currency or "").upper() == payment.currency:
        return ""
    return f"Stripe took {came} {(intent.currency or '').upper()} where {asked} {payment.currency} were asked for, in its own units."


# --- what events of charges and refunds do ---


async def _of_charge(ctx: MutationContext, payment: tables.Payment, event: Event) -> None:
    """Money was given back. What was given back in Stripe's dashboard alone is no refund of a sale: somebody has to record that."""
    given = event.subject.amount_refunded or 0
    if payment.status in {"RETURNING", "RETURNED"}:
        if given >= (event.subject.amount or given + 1):
            await ctx.db.update(payment, status="RETURNED", failure="")
        return
    refunds = await ctx.db.scan(tables.Refund, "by_sale", (payment.sale_id,), first=100)
    known = sum(stripe_amount(one.amount_minor, one.currency) for one in refunds if one.payment_id == payment.id)
    if given > known:
        notice = f"Stripe gave back {given} in all, in its own units, but refunds of {known} are recorded here."
        await ctx.db.update(payment, notice=notice)


async def _of_refund(ctx: MutationContext, payment: tables.Payment, event: Event) -> None:
    status = STATUS_OF.get(event.subject.status or "", "PENDING")
    failure = event.subject.failure_reason or NOT_GIVEN_BACK if status == "FAILED" else ""
    refund_id = event.subject.metadata.get(REFUND)
    if refund_id is None:
        if payment.status in {"RETURNING", "RETURNED"} and status != "PENDING":
            await ctx.db.update(payment, status="RETURNING" if failure else "RETURNED", failure=failure)
        return
    refund = await ctx.db.get(tables.Refund, str(refund_id))
    if refund is not None and refund.payment_id == payment.id and refund.provider_id in {None, event.subject.id}:
        await note_refund(ctx, refund.id, status, failure, event.subject.id)


_Effect = Callable[[MutationContext, tables.Payment, Event], Awaitable[None]]

_EFFECTS: Final[Mapping[str, _Effect]] = {
    "payment_intent.succeeded": _of_intent,
    "payment_intent.processing": _of_intent,
    "payment_intent.payment_failed": _of_intent,
    "payment_intent.canceled": _of_intent,
    "charge.refunded": _of_charge,
    "refund.created": _of_refund,
    "refund.updated": _of_refund,
    "refund.failed": _of_refund,
    "charge.refund.updated": _of_refund,
}

KINDS: Final = tuple(_EFFECTS)
"""The events to have Stripe send; all others are answered, and change nothing."""
