"""Money spent: each expense with its entry in the ledger and its part of the sums, in one transaction."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from datastore.reading import Page, Reader
from datastore.writing import Writer
from resolvers import ledger
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import delete_recorded
from resolvers.connections import Connection
from resolvers.days import Days, From, To, a_year_after, check_day, day_of, start_of
from resolvers.expense_categories import ExpenseCategory, count_expenses
from resolvers.expense_inputs import RecordExpenseInput, UpdateExpenseInput, amounts_in_minor, check_tax
from resolvers.expense_receipts import put_receipts, receipts_of
from resolvers.file_references import AnyFile
from resolvers.functions import MutationContext, QueryContext, field, mutation_in_turn, query, shows
from resolvers.members import Member, member_of
from resolvers.money import Money, from_minor, to_minor
from resolvers.nodes import Node, node_of, node_type
from resolvers.searching import LATER_WORDS, search_terms
from resolvers.settings import settings_for_amounts, settings_row
from resolvers.summaries import Tallies

if TYPE_CHECKING:
    from resolvers.recurring_expenses import RecurringExpense


@node_type(tables.Expense)
@strawberry.type(description="Money spent.")
class Expense(Node):
    """An expense of the caller's account."""

    row: strawberry.Private[tables.Expense]
    amount: Money = strawberry.field(description="What was spent, tax included.", metadata=shows("amount_minor", "currency"))
    tax: Money = strawberry.field(description="The tax in the amount.", metadata=shows("tax_minor", "currency"))
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    vendor: str = strawberry.field(description="Who was paid; may be empty.")
    note: str = strawberry.field(description="What there is to say of it; may be empty.")
    incurred_on: date = strawberry.field(description="The day that it counts for.")

    @classmethod
    def of(cls, row: tables.Expense) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            amount=from_minor(row.amount_minor, row.currency),
            tax=from_minor(row.tax_minor, row.currency),
            currency=row.currency,
            vendor=row.vendor,
            note=row.note,
            incurred_on=date.fromisoformat(row.incurred_on),
        )

    @field(columns=["category_id"])
    async def category(self, ctx: QueryContext) -> ExpenseCategory | None:
        """The category that it is booked under."""
        row = await ctx.db.shown.get(tables.ExpenseCategory, self.row.category_id) if self.row.category_id else None
        return None if row is None else ExpenseCategory.of(row)

    @field(columns=["recurring_id"])
    async def recurring(self, ctx: QueryContext) -> Annotated["RecurringExpense", strawberry.lazy("resolvers.recurring_expenses")] | None:
        """The recurring expense that it was booked by; null where somebody recorded it, and where that has been deleted."""
        row = await ctx.db.shown.get(tables.RecurringExpense, self.row.recurring_id) if self.row.recurring_id else None
        return None if row is None else node_of(row)

    @field(columns=[])
    async def receipts(self, ctx: QueryContext) -> list[AnyFile]:
        """The files that are its receipts."""
        return [node_of(file) for file in await receipts_of(ctx.db.shown, self.row.id)]

    @field(columns=["recorded_by_id"])
    async def recorded_by(self, ctx: QueryContext) -> Member | None:
        """Who recorded it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.recorded_by_id)


ExpenseId = Annotated[strawberry.ID, strawberry.argument(description="The id of an expense.")]


@query
async def expenses(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    from_: From = None,
    to: To = None,
    category_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only the expenses of this category.")] = None,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="Only expenses whose vendor or note have words that begin with each of these words, accents and case folded; "
            f"up to 200 characters, of which the first 8 words count. {LATER_WORDS} Does not go with `categoryId`."
        ),
    ] = None,
) -> Connection[Expense]:
    """Your expenses, the newest first."""
    days = Days.between(from_, to)
    category = None if category_id is None else id_of(tables.ExpenseCategory, category_id, "categoryId")
    if search is None:
        index, equals = ("by_incurred", ()) if category is None else ("by_category", (category,))
        page = await _page(ctx.db.shown, index, equals, days, first=first, after=after)
    elif category is not None:
        raise InvalidInputError.of("search", "does not go with `categoryId`; it goes with `from` and `to`")
    else:
        terms = search_terms(search)
        page = await _page(ctx.db.shown, "by_search", (terms.key,), days, also=terms.also, first=first, after=after)
    return Connection.of(page, Expense.of)


@query
async def expense(ctx: QueryContext, id: ExpenseId) -> Expense | None:
    """One of your expenses; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.Expense, id_of(tables.Expense, id, "id"))
    return None if row is None else Expense.of(row)


@mutation_in_turn
async def record_expense(
    ctx: MutationContext, input: Annotated[RecordExpenseInput, strawberry.argument(description="What was spent.")]
) -> Expense:
    """Records money spent. It fixes the currency of the business."""
    settings = await settings_for_amounts(ctx.db)
    today = day_of(ctx.now, settings.time_zone)
    row = tables.Expense(
        id=tables.Expense.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        currency=settings.currency,
        amount_minor=to_minor(input.amount, settings.currency, "input.amount"),
        tax_minor=to_minor(input.tax, settings.currency, "input.tax"),
        vendor=input.vendor,
        category_id=input.category_id,
        note=input.note,
        incurred_on=check_day(input.incurred_on or today, a_year_after(today), "input.incurredOn"),
        recurring_id=None,
        recorded_by_id=ctx.scope.user_id,
    )
    check_tax(row.amount_minor, row.tax_minor, "input.tax")
    await count_expenses(ctx.db, row.category_id, 1)
    [stored] = await book(ctx, settings, [row])
    await put_receipts(ctx, stored.id, input.receipt_ids)
    return Expense.of(stored)


@mutation_in_turn
async def update_expense(
    ctx: MutationContext, input: Annotated[UpdateExpenseInput, strawberry.argument(description="What to change.")]
) -> Expense:
    """Changes an expense. Where its amount or day changes, its transaction is reversed and another recorded."""
    settings = await settings_row(ctx.db)
    before = await _existing(ctx.db, input.id, "input.id")
    changes = amounts_in_minor(input.model_dump(exclude_unset=True, exclude={"id"}), before.currency)
    receipt_ids = changes.pop("receipt_ids", None)
    if "incurred_on" in changes:
        latest = a_year_after(day_of(ctx.now, settings.time_zone))
        changes["incurred_on"] = check_day(changes["incurred_on"], latest, "input.incurredOn")
    _check_changed_tax(before, changes)
    if changes.get("category_id", before.category_id) != before.category_id:
        await count_expenses(ctx.db, before.category_id, -1)
        await count_expenses(ctx.db, changes["category_id"], 1)
    after = await ctx.db.update(before, **changes)
    if (after.amount_minor, after.incurred_on) != (before.amount_minor, before.incurred_on):
        await ledger.reverse(ctx, await ledger.standing_entry(ctx.db, before.id), f"Change of {_described(before)}")
        await _post(ctx, settings, after)
    tallies = Tallies()
    tallies.expense(before, -1)
    tallies.expense(after)
    await tallies.keep(ctx.db)
    if receipt_ids is not None:
        await put_receipts(ctx, after.id, receipt_ids)
    return Expense.of(after)


@mutation_in_turn
async def delete_expense(ctx: MutationContext, id: ExpenseId) -> Expense:
    """Deletes an expense. Its transaction stays in the ledger, reversed."""
    row = await _existing(ctx.db, id, "id")
    await count_expenses(ctx.db, row.category_id, -1)
    await ledger.reverse(ctx, await ledger.standing_entry(ctx.db, row.id), f"Deletion of {_described(row)}")
    tallies = Tallies()
    tallies.expense(row, -1)
    await tallies.keep(ctx.db)
    await delete_recorded(ctx.db, row, row.vendor)
    return Expense.of(row)


async def book(ctx: MutationContext, settings: tables.Settings, rows: list[tables.Expense]) -> tuple[tables.Expense, ...]:
    """Stores expenses with their ledger entries and sums; the counts of their categories are the caller's to keep."""
    stored = await ctx.db.insert_all(rows)
    tallies = Tallies()
    for row in stored:
        await _post(ctx, settings, row)
        tallies.expense(row)
    await tallies.keep(ctx.db)
    return stored


async def _post(ctx: MutationContext, settings: tables.Settings, row: tables.Expense) -> None:
    """An expense has no hour: of today's it is that of recording it, of others the first of the day."""
    day = date.fromisoformat(row.incurred_on)
    await ledger.post(
        ctx,
        kind="EXPENSE",
        currency=row.currency,
        amount_minor=-row.amount_minor,
        description=_described(row),
        occurred_at=ctx.now if day == day_of(ctx.now, settings.time_zone) else start_of(day, settings.time_zone),
        occurred_on=row.incurred_on,
        source_id=row.id,
    )


def _described(row: tables.Expense) -> str:
    return f"Expense: {row.vendor}" if row.vendor else "Expense"


def _check_changed_tax(row: tables.Expense, changes: dict[str, Any]) -> None:
    path = "input.tax" if "tax_minor" in changes else "input.amount"
    check_tax(changes.get("amount_minor", row.amount_minor), changes.get("tax_minor", row.tax_minor), path)


async def _existing(db: Writer, id: str, path: str) -> tables.Expense:
    return await db.get_existing(tables.Expense, id_of(tables.Expense, id, path), path)


async def _page(
    db: Reader, index: str, equals: tuple[str, ...], days: Days, *, first: int, after: str | None, also: tuple[str, ...] = ()
) -> Page[tables.Expense]:
    return await db.page(tables.Expense, index, equals, also=also, first=first, after=after, descending=True, low=days.low, high=days.high)
