"""Money given back for a sale, in part or in whole, and sales that are called off."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError, NotFoundError
from datastore.reading import MAX_FIRST
from resolvers import ledger
from resolvers.arguments import id_of
from resolvers.days import day_of
from resolvers.functions import MutationContext, QueryContext, field, mutation, mutation_in_turn, shows
from resolvers.members import Member, member_of
from resolvers.money import Money, from_minor
from resolvers.nodes import Node, node_type
from resolvers.payment_intents import call_off
from resolvers.payment_refunds import give_back
from resolvers.sale_inputs import MOST_ITEMS, PaymentMethod, RefundItemInput, RefundSaleInput
from resolvers.sale_lists import all_lines
from resolvers.sale_rows import Part, refund_item_rows, refund_row, status_after
from resolvers.sales import Sale, SaleId, SaleItem
from resolvers.scalars import Quantity
from resolvers.settings import settings_row
from resolvers.stock import Move, move_stock
from resolvers.stripe_amounts import stripe_amount
from resolvers.summaries import Tallies
from resolvers.text import short_text, text_argument

NUMBERS = "refunds"
"""The series that the numbers of refunds are of."""

MOST_REFUNDS = MAX_FIRST
"""Of one sale, so that they can be shown as a plain list."""


@node_type(tables.RefundItem)
@strawberry.type(description="The part of one line of a sale that a refund gives back.")
class RefundItem(Node):
    """A line of a refund of the caller's account."""

    row: strawberry.Private[tables.RefundItem]
    name: str = strawberry.field(description="What the product was called when it was sold.")
    quantity: Quantity = strawberry.field(description="How many were given back.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    amount: Money = strawberry.field(description="What was paid back for them, tax included.", metadata=shows("amount_minor", "currency"))
    tax: Money = strawberry.field(description="The tax in that.", metadata=shows("tax_minor", "currency"))
    restocked: bool = strawberry.field(description="Whether they went back on the shelf.")

    @classmethod
    def of(cls, row: tables.RefundItem) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            quantity=Quantity(row.quantity),
            currency=row.currency,
            amount=from_minor(row.amount_minor, row.currency),
            tax=from_minor(row.tax_minor, row.currency),
            restocked=row.restocked,
        )

    @field(columns=["sale_item_id"])
    async def item(self, ctx: QueryContext) -> SaleItem | None:
        """The line of the sale."""
        row = await ctx.db.shown.get(tables.SaleItem, self.row.sale_item_id)
        return None if row is None else SaleItem.of(row)


@strawberry.enum(description="Whether the money of a refund has gone back.")
class RefundStatus(Enum):
    """The states of a refund."""

    PENDING = strawberry.enum_value("PENDING", description="Stripe is giving it back.")
    SUCCEEDED = strawberry.enum_value("SUCCEEDED", description="It was given back.")
    FAILED = strawberry.enum_value("FAILED", description="Stripe did not give it back: `retryRefund` tries again.")


@node_type(tables.Refund)
@strawberry.type(description="Money given back for a part of a sale, or the whole.")
class Refund(Node):
    """A refund of the caller's account."""

    row: strawberry.Private[tables.Refund]
    number: Quantity = strawberry.field(description="1, 2, 3 … among the refunds of the business, without a gap.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    amount: Money = strawberry.field(description="What was paid back, tax included.", metadata=shows("amount_minor", "currency"))
    tax: Money = strawberry.field(description="The tax in that.", metadata=shows("tax_minor", "currency"))
    payment_method: PaymentMethod = strawberry.field(description="How it was paid back: the way the sale was paid.")
    reason: str = strawberry.field(description="Why; may be empty.")
    refunded_at: datetime = strawberry.field(description="When it was paid back.")
    refunded_on: date = strawberry.field(
        description="The day that it counts for: that of the business's time zone as it was when the refund was recorded."
    )
    status: RefundStatus = strawberry.field(description="Whether the money has gone back.")
    failure: str | None = strawberry.field(description="Why it has not gone back through Stripe so far; null where nothing failed.")

    @classmethod
    def of(cls, row: tables.Refund) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            number=Quantity(row.number),
            currency=row.currency,
            amount=from_minor(row.amount_minor, row.currency),
            tax=from_minor(row.tax_minor, row.currency),
            payment_method=PaymentMethod(row.payment_method),
            reason=row.reason,
            refunded_at=row.refunded_at,
            refunded_on=date.fromisoformat(row.refunded_on),
            status=RefundStatus(row.status),
            failure=row.failure or None,
        )

    @field(columns=["sale_id"])
    async def sale(self, ctx: QueryContext) -> Sale | None:
        """The sale that it is of."""
        row = await ctx.db.shown.get(tables.Sale, self.row.sale_id)
        return None if row is None else Sale.of(row)

    @field(columns=["refunded_by_id"])
    async def refunded_by(self, ctx: QueryContext) -> Member | None:
        """Who paid it back; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.refunded_by_id)

    @field(columns=[])
    async def items(self, ctx: QueryContext) -> list[RefundItem]:
        """What was given back, at most 200 lines."""
        return [RefundItem.of(row) for row in await all_lines(ctx.db.shown, tables.RefundItem, "by_refund", self.row.id)]


@mutation_in_turn
async def refund_sale(
    ctx: MutationContext, input: Annotated[RefundSaleInput, strawberry.argument(description="What is given back, and why.")]
) -> Sale:
    """Gives money back for a sale or a part of it, and the goods back to the stock.

    However often a line is given back in parts, the parts add up to exactly what was paid. Of a sale that was paid through Stripe, a job
    gives the money back there: watch the refund's `status`. CONFLICT where more is given back than is left, names the item.
    """
    sale = await ctx.db.get_existing(tables.Sale, id_of(tables.Sale, input.sale_id, "input.saleId"), "input.saleId")
    await _check_refundable(ctx, sale)
    items = await ctx.db.scan(tables.SaleItem, "by_sale", (sale.id,), first=MOST_ITEMS)
    parts = _parts(sale, items, input)
    refund = await _record(ctx, sale, parts, input.reason, await _payment_of(ctx, sale))
    await _put_back(ctx, [(part.item, part.quantity) for part in parts if part.restocked], f"Refund {refund.number} of sale {sale.number}")
    changed = {item.id: item for item in await ctx.db.update_all([(part.item, part.changes) for part in parts])}
    status = status_after([changed.get(item.id, item) for item in items])
    return Sale.of(await ctx.db.update(sale, status=status, refunded_minor=sale.refunded_minor + refund.amount_minor))


@mutation_in_turn
async def void_sale(
    ctx: MutationContext,
    id: SaleId,
    reason: Annotated[str, strawberry.argument(description="Why, up to 200 characters.")] = "",
) -> Sale:
    """Calls a sale off, as if it had never been: the stock, the ledger and the sums of its day are as before. Its number stays taken.

    A payment through Stripe is cancelled; money that has come, or comes all the same, goes back. CONFLICT where money was given back for
    it: give the rest back too, with `refundSale`.
    """
    void_reason = text_argument(reason, short_text, "reason")
    sale = await ctx.db.get_existing(tables.Sale, id_of(tables.Sale, id, "id"))
    _check_not_voided(sale)
    if sale.status != "COMPLETED":
        raise ConflictError(f"Money was given back for sale {sale.number}: refund the rest instead.")
    items = await ctx.db.scan(tables.SaleItem, "by_sale", (sale.id,), first=MOST_ITEMS)
    await _put_back(ctx, [(item, item.quantity) for item in items if item.stock_taken], f"Sale {sale.number} voided")
    if sale.payment_status == "PAID":
        await _take_out(ctx, sale, items, void_reason)
    payment = await ctx.db.find(tables.Payment, "by_active", sale.id) if sale.awaited else None
    if payment is not None:
        await call_off(ctx, payment)
    return Sale.of(await ctx.db.update(sale, status="VOIDED", voided_at=ctx.now, void_reason=void_reason))


async def _take_out(ctx: MutationContext, sale: tables.Sale, items: Sequence[tables.SaleItem], reason: str) -> None:
    """Takes a sale out of the ledger and the sums again."""
    description = f"Sale {sale.number} voided: {reason}" if reason else f"Sale {sale.number} voided"
    await ledger.reverse(ctx, await ledger.standing_entry(ctx.db, sale.id), description)
    tallies = Tallies()
    tallies.sale(sale, items, sign=-1)
    await tallies.keep(ctx.db)


@mutation
async def retry_refund(
    ctx: MutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a refund that FAILED.")]
) -> Refund:
    """Has Stripe give back again what it did not. No money goes twice: what Stripe did give back is found there, and noted.

    CONFLICT where it was given back, or is being.
    """
    ctx.db.require("change", tables.Refund)
    refund = await ctx.db.get_existing(tables.Refund, id_of(tables.Refund, id, "id"))
    job = None if refund.job_id is None else await ctx.db.get(tables.Job, refund.job_id)
    waiting = (refund.status == "PENDING" and refund.provider_id is not None) or (job is not None and job.finished_at is None)
    if refund.status == "SUCCEEDED" or waiting:
        raise ConflictError(f"Refund {refund.number} was given back, or is being.")
    if job is not None:
        await ctx.db.guard(job)  # `retryJob` must not begin it again meanwhile
    again = await ctx.schedule(give_back, {"refund_id": refund.id})
    return Refund.of(await ctx.db.update(refund, status="PENDING", failure="", provider_id=None, job_id=again.id))


async def _check_refundable(ctx: MutationContext, sale: tables.Sale) -> None:
    _check_not_voided(sale)
    if sale.payment_status == "PENDING":
        raise ConflictError(f"Sale {sale.number} is not paid yet: void it instead.")
    if sale.status == "REFUNDED":
        raise ConflictError(f"All of sale {sale.number} was given back already.")
    if sale.status == "PARTLY_REFUNDED":
        others = await ctx.db.scan(tables.Refund, "by_sale", (sale.id,), first=MOST_REFUNDS)
        if len(others) == MOST_REFUNDS:
            raise ConflictError(f"There are {MOST_REFUNDS} refunds of sale {sale.number}, the most there can be.")


def _check_not_voided(sale: tables.Sale) -> None:
    if sale.status == "VOIDED":
        raise ConflictError(f"Sale {sale.number} was voided.")


def _parts(sale: tables.Sale, items: Sequence[tables.SaleItem], input: RefundSaleInput) -> list[Part]:
    """What an input gives back. Raises for an item that is not of the sale, is named twice, or of which not as many are left."""
    if input.items is None:
        left = [(item, item.quantity - item.refunded_quantity) for item in items]
        return [Part(item, quantity, input.restock and item.stock_taken) for item, quantity in left if quantity]
    by_id = {item.id: item for item in items}
    named: set[str] = set()
    parts = []
    for position, wanted in enumerate(input.items):
        path = f"input.items.{position}.itemId"
        if wanted.item_id in named:
            raise InvalidInputError.of(path, "the item is among them already")
        named.add(wanted.item_id)
        item = by_id.get(id_of(tables.SaleItem, wanted.item_id, path))
        if item is None:
            raise NotFoundError(f"{path}: there is no such item of sale {sale.number}.")
        parts.append(_part(item, wanted, restock=input.restock))
    return parts


def _part(item: tables.SaleItem, wanted: RefundItemInput, *, restock: bool) -> Part:
    left = item.quantity - item.refunded_quantity
    if wanted.quantity > left:
        raise ConflictError(f"Only {left} of “{item.name}” are left to give back.")
    return Part(item, wanted.quantity, restock and item.stock_taken)


async def _payment_of(ctx: MutationContext, sale: tables.Sale) -> tables.Payment | None:
    """The payment through Stripe that a sale was paid by."""
    payment = await ctx.db.find(tables.Payment, "by_active", sale.id) if sale.awaited else None
    return payment if payment is not None and payment.status == "SUCCEEDED" else None


async def _record(
    ctx: MutationContext, sale: tables.Sale, parts: Sequence[Part], reason: str, payment: tables.Payment | None
) -> tables.Refund:
    """Stores a refund with its lines, enters it into the ledger, counts it in the sums of its day, and has Stripe give it back."""
    settings = await settings_row(ctx.db)
    number = await ctx.db.next_number(NUMBERS)
    row = refund_row(
        sale,
        parts,
        number=number,
        reason=reason,
        refunded_at=ctx.now,
        refunded_on=day_of(ctx.now, settings.time_zone).isoformat(),
        user_id=ctx.scope.user_id,
        payment_id=None if payment is None or not sum(part.amount_minor for part in parts) else payment.id,
    )
    refund = await ctx.db.insert(await _through_stripe(ctx, row))
    items = await ctx.db.insert_all(refund_item_rows(refund, parts))
    await ledger.post(
        ctx,
        kind="REFUND",
        currency=refund.currency,
        amount_minor=-refund.amount_minor,
        description=f"Refund {number} of sale {sale.number}",
        occurred_at=refund.refunded_at,
        occurred_on=refund.refunded_on,
        source_id=refund.id,
    )
    tallies = Tallies()
    tallies.refund(refund, items)
    await tallies.keep(ctx.db)
    return refund


async def _through_stripe(ctx: MutationContext, refund: tables.Refund) -> tables.Refund:
    """The refund with the job that gives it back, where Stripe has the money. Raises ConflictError for an amount that Stripe can't take."""
    if refund.payment_id is None:
        return refund
    stripe_amount(refund.amount_minor, refund.currency)
    job = await ctx.schedule(give_back, {"refund_id": refund.id})
    return refund.model_copy(update={"job_id": job.id})


async def _put_back(ctx: MutationContext, pieces: Sequence[tuple[tables.SaleItem, int]], reason: str) -> None:
    products = await ctx.db.get_all(tables.Product, [item.product_id for item, _ in pieces]) if pieces else {}
    await move_stock(ctx, [Move(products[item.product_id], quantity, reason) for item, quantity in pieces])
