"""The ledger as the business reads it, and the money that it enters by hand."""

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Self, cast

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.paging import UNBOUNDED, Unbounded
from datastore.reading import MAX_FIRST, Page, Reader
from resolvers import ledger
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.days import Days, From, To, behind, check_moment, day_of
from resolvers.functions import MutationContext, QueryContext, field, mutation_in_turn, query, shows
from resolvers.members import Member, member_of
from resolvers.money import Money, from_minor, to_minor
from resolvers.nodes import Node, node_of, node_type
from resolvers.searching import LATER_WORDS, search_terms
from resolvers.settings import settings_for_amounts, settings_row
from resolvers.summaries import Tallies, month_of, net_minor
from resolvers.text import Name, name, text_argument

_INSTEAD = {
    "SALE": "A sale's transaction stands as long as the sale does; void or refund the sale instead.",
    "REFUND": "A refund's transaction stands; record a new transaction or sale instead.",
    "EXPENSE": "An expense's transaction stands as long as the expense does; change or delete the expense instead.",
}


@strawberry.enum(description="What money came in or went out by.")
class TransactionKind(Enum):
    """The kinds of source; a reversal has the kind of what it reverses."""

    SALE = strawberry.enum_value("SALE", description="A sale.")
    REFUND = strawberry.enum_value("REFUND", description="A refund of a sale.")
    EXPENSE = strawberry.enum_value("EXPENSE", description="An expense.")
    MANUAL = strawberry.enum_value("MANUAL", description="Entered by hand, with `recordTransaction`.")


@node_type(tables.LedgerEntry)
@strawberry.type(description="An entry of the ledger: money that came in or went out. Entries are never changed, only reversed by another.")
class Transaction(Node):
    """An entry of the ledger of the caller's account."""

    row: strawberry.Private[tables.LedgerEntry]
    kind: TransactionKind = strawberry.field(description="What the money came or went by.")
    amount: Money = strawberry.field(
        description="Positive where it came in, negative where it went out.", metadata=shows("amount_minor", "currency")
    )
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that the amount is in.")
    description: str = strawberry.field(description="What it was for.")
    occurred_at: datetime = strawberry.field(description="When it happened; a reversal has the time of what it reverses.")
    occurred_on: date = strawberry.field(description="The day that it counts for, in the account's time zone when it was recorded.")

    @classmethod
    def of(cls, row: tables.LedgerEntry) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            kind=TransactionKind(row.kind),
            amount=from_minor(row.amount_minor, row.currency),
            currency=row.currency,
            description=row.description,
            occurred_at=row.occurred_at,
            occurred_on=date.fromisoformat(row.occurred_on),
        )

    @field(columns=["source_id"])
    async def source(self, ctx: QueryContext) -> Node | None:
        """The sale, refund or expense that it is the entry of; null for what was entered by hand, and for an expense that was deleted."""
        row = await ctx.db.shown.node(self.row.source_id) if self.row.source_id else None
        return None if row is None else cast("Node", node_of(row))

    @field(columns=["reverses_id"])
    async def reverses(self, ctx: QueryContext) -> Annotated["Transaction", strawberry.lazy("resolvers.transactions")] | None:
        """The transaction that this one takes back."""
        row = await ctx.db.shown.get(tables.LedgerEntry, self.row.reverses_id) if self.row.reverses_id else None
        return None if row is None else Transaction.of(row)

    @field(columns=[])
    async def reversed_by(self, ctx: QueryContext) -> Annotated["Transaction", strawberry.lazy("resolvers.transactions")] | None:
        """The transaction that takes this one back; null where it stands."""
        row = await ctx.db.shown.find(tables.LedgerEntry, "by_reversed", self.row.id)
        return None if row is None else Transaction.of(row)

    @field(columns=["recorded_by_id"])
    async def recorded_by(self, ctx: QueryContext) -> Member | None:
        """Who recorded it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.recorded_by_id)


def _not_zero(amount: Money) -> Money:
    if amount == 0:
        raise ValueError("must not be zero")
    return amount


@strawberry.pydantic.input(description="Money that came in or went out by no sale, refund or expense: a float, a deposit, a correction.")
class RecordTransactionInput(BaseModel):
    """An entry made by hand."""

    amount: Annotated[Money, AfterValidator(_not_zero)] = Field(
        description="In the currency of the settings: positive where it came in, negative where it went out; not zero."
    )
    description: Name = Field(description="What it was for, 1 to 200 characters.")
    occurred_at: datetime | None = Field(
        default=None, description="When it happened, from the year 2000 on and not in the future; now, where it is left out."
    )


TransactionId = Annotated[strawberry.ID, strawberry.argument(description="The id of a transaction.")]


@query
async def transactions(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    from_: From = None,
    to: To = None,
    kind: Annotated[TransactionKind | None, strawberry.argument(description="Only transactions of this kind.")] = None,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="Only transactions whose description has words that begin with each of these words, accents and case folded; "
            f"up to 200 characters, of which the first 8 words count. {LATER_WORDS} Does not go with `kind`."
        ),
    ] = None,
) -> Connection[Transaction]:
    """Your ledger, the newest first."""
    days = Days.between(from_, to)
    if search is None:
        index, equals = ("by_occurred", ()) if kind is None else ("by_kind", (cast("str", kind.value),))
        page = await _page(ctx.db.shown, index, equals, days, first=first, after=after)
    elif kind is not None:
        raise InvalidInputError.of("search", "does not go with `kind`; it goes with `from` and `to`")
    else:
        terms = search_terms(search)
        page = await _page(ctx.db.shown, "by_search", (terms.key,), days, also=terms.also, first=first, after=after)
    return Connection.of(page, Transaction.of)


@query
async def transaction(ctx: QueryContext, id: TransactionId) -> Transaction | None:
    """One of your transactions; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.LedgerEntry, id_of(tables.LedgerEntry, id, "id"))
    return None if row is None else Transaction.of(row)


@query
async def balance(
    ctx: QueryContext,
    as_of: Annotated[
        date | None, strawberry.argument(description="Only transactions of this day or earlier count; all of them, where it is left out.")
    ] = None,
) -> Money:
    """The sum of your transactions, in the currency of the settings."""
    settings = await settings_row(ctx.db)
    return from_minor(await balance_minor(ctx.db, as_of), settings.currency)


@mutation_in_turn
async def record_transaction(
    ctx: MutationContext, input: Annotated[RecordTransactionInput, strawberry.argument(description="The money that came in or went out.")]
) -> Transaction:
    """Records money that came in or went out by hand. It fixes the currency of the business."""
    settings = await settings_for_amounts(ctx.db)
    occurred_at = check_moment(input.occurred_at or ctx.now, ctx.now, settings.time_zone, "input.occurredAt")
    entry = await ledger.post(
        ctx,
        kind="MANUAL",
        currency=settings.currency,
        amount_minor=to_minor(input.amount, settings.currency, "input.amount"),
        description=input.description,
        occurred_at=occurred_at,
        occurred_on=day_of(occurred_at, settings.time_zone).isoformat(),
    )
    return await _kept(ctx, entry)


@mutation_in_turn
async def reverse_transaction(
    ctx: MutationContext,
    id: TransactionId,
    reason: Annotated[str, strawberry.argument(description="Why, 1 to 200 characters.")],
) -> Transaction:
    """Takes back a transaction that was entered by hand, with another on the same day, which is returned.

    CONFLICT where it was reversed already, reverses another itself, or is that of a sale, refund or expense.
    """
    why = text_argument(reason, name, "reason")
    entry = await ctx.db.get_existing(tables.LedgerEntry, id_of(tables.LedgerEntry, id, "id"))
    if entry.kind in _INSTEAD:
        raise ConflictError(_INSTEAD[entry.kind])
    return await _kept(ctx, await ledger.reverse(ctx, entry, f"Reversal of “{entry.description}”: {why}"))


async def _kept(ctx: MutationContext, entry: tables.LedgerEntry) -> Transaction:
    tallies = Tallies()
    tallies.manual(entry)
    await tallies.keep(ctx.db)
    return Transaction.of(entry)


async def _page(
    db: Reader, index: str, equals: tuple[str, ...], days: Days, *, first: int, after: str | None, also: tuple[str, ...] = ()
) -> Page[tables.LedgerEntry]:
    return await db.page(
        tables.LedgerEntry, index, equals, also=also, first=first, after=after, descending=True, low=days.low, high=days.high
    )


async def balance_minor(db: Reader, as_of: date | None) -> int:
    """The sum of the entries up to a day, or of all.

    From the sums of whole months and, of the month that `as_of` lies in, of single days: never from the entries.
    """
    if as_of is None:
        return await _net_of(db, "MONTH", UNBOUNDED, UNBOUNDED)
    day = as_of.isoformat()
    month = month_of(day)
    return await _net_of(db, "MONTH", UNBOUNDED, month) + await _net_of(db, "DAY", month, behind(day))


async def _net_of(db: Reader, grain: str, low: str | Unbounded, high: str | Unbounded) -> int:
    total = 0
    while True:
        page = await db.page(tables.Summary, "by_key", (grain,), first=MAX_FIRST, low=low, high=high)
        total += sum(map(net_minor, page.rows))
        if not page.has_next_page:
            return total
        low = behind(page.rows[-1].starts_on)
