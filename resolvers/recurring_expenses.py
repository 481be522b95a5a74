"""Expenses that are booked again and again: a rent, a subscription."""

from datetime import date
from typing import Annotated, Any, Final, Self, cast

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import delete_recorded
from resolvers.connections import Connection
from resolvers.days import LATEST, a_year_after, check_day, day_of
from resolvers.expense_categories import ExpenseCategory, count_expenses, existing_category
from resolvers.expense_inputs import CreateRecurringExpenseInput, Interval, UpdateRecurringExpenseInput, amounts_in_minor, check_tax
from resolvers.expenses import Expense, book
from resolvers.functions import MutationContext, QueryContext, field, mutation, mutation_in_turn, query, shows
from resolvers.members import Member, member_of
from resolvers.money import Money, from_minor, to_minor
from resolvers.nodes import Node, node_type
from resolvers.recurrence import Rhythm, last_before, next_after
from resolvers.settings import settings_for_amounts, settings_row

MOST_RECURRING: Final = 500
"""In one account. Those that are made at the same moment may go beyond it."""

MOST_BOOKED: Final = 100
"""Expenses that one transaction books: it has to end within seconds."""

_NOT_NULL: Final = ""
"""Where the days begin in an index, behind what has none."""


@node_type(tables.RecurringExpense)
@strawberry.type(description="An expense that is booked again and again.")
class RecurringExpense(Node):
    """A recurring expense of the caller's account."""

    row: strawberry.Private[tables.RecurringExpense]
    amount: Money = strawberry.field(description="What is spent each time, tax included.", metadata=shows("amount_minor", "currency"))
    tax: Money = strawberry.field(description="The tax in the amount.", metadata=shows("tax_minor", "currency"))
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    vendor: str = strawberry.field(description="Who is paid; may be empty.")
    note: str = strawberry.field(description="What there is to say of it; may be empty.")
    interval: Interval = strawberry.field(description="How often it is booked.")
    starts_on: date = strawberry.field(description="The first day that it is booked for.")
    ends_on: date | None = strawberry.field(description="The last day that it may be booked for; null: it goes on.")
    next_on: date | None = strawberry.field(description="The next day that it will be booked for; null once it has ended.")

    @classmethod
    def of(cls, row: tables.RecurringExpense) -> Self:
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
            interval=Interval(row.interval),
            starts_on=date.fromisoformat(row.starts_on),
            ends_on=_date(row.ends_on),
            next_on=_date(row.next_on),
        )

    @field(columns=["category_id"])
    async def category(self, ctx: QueryContext) -> ExpenseCategory | None:
        """The category that it is booked under."""
        row = await ctx.db.shown.get(tables.ExpenseCategory, self.row.category_id) if self.row.category_id else None
        return None if row is None else ExpenseCategory.of(row)

    @field(columns=[])
    async def expenses(self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Expense]:
        """The expenses that it has booked, the newest first."""
        page = await ctx.db.shown.page(tables.Expense, "by_recurring", (self.row.id,), first=first, after=after, descending=True)
        return Connection.of(page, Expense.of)

    @field(columns=["recorded_by_id"])
    async def recorded_by(self, ctx: QueryContext) -> Member | None:
        """Who set it up; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.recorded_by_id)


RecurringId = Annotated[strawberry.ID, strawberry.argument(description="The id of a recurring expense.")]


@query
async def recurring_expenses(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    ended: Annotated[bool, strawberry.argument(description="Whether to list those that have ended instead of those that go on.")] = False,
) -> Connection[RecurringExpense]:
    """Your recurring expenses, what is booked next first."""
    if ended:
        page = await ctx.db.shown.page(tables.RecurringExpense, "by_next", (None,), first=first, after=after)
    else:
        page = await ctx.db.shown.page(tables.RecurringExpense, "by_next", (), first=first, after=after, low=_NOT_NULL)
    return Connection.of(page, RecurringExpense.of)


@query
async def recurring_expense(ctx: QueryContext, id: RecurringId) -> RecurringExpense | None:
    """One of your recurring expenses; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.RecurringExpense, id_of(tables.RecurringExpense, id, "id"))
    return None if row is None else RecurringExpense.of(row)


@mutation_in_turn
async def create_recurring_expense(
    ctx: MutationContext, input: Annotated[CreateRecurringExpenseInput, strawberry.argument(description="What is spent, and when.")]
) -> RecurringExpense:
    """Sets up an expense that is booked again and again, and books what is due already. CONFLICT where there are 500 of them."""
    if len(await ctx.db.scan(tables.RecurringExpense, "by_next", (), first=MOST_RECURRING)) == MOST_RECURRING:
        raise ConflictError(f"There are {MOST_RECURRING} recurring expenses, the most there can be.")
    settings = await settings_for_amounts(ctx.db)
    today = day_of(ctx.now, settings.time_zone)
    starts_on = check_day(input.starts_on or today, a_year_after(today), "input.startsOn")
    row = tables.RecurringExpense(
        id=tables.RecurringExpense.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        currency=settings.currency,
        amount_minor=to_minor(input.amount, settings.currency, "input.amount"),
        tax_minor=to_minor(input.tax, settings.currency, "input.tax"),
        vendor=input.vendor,
        category_id=input.category_id,
        note=input.note,
        interval=cast("Rhythm", input.interval.value),
        starts_on=starts_on,
        ends_on=None if input.ends_on is None else _last_day(input.ends_on, date.fromisoformat(starts_on), "input.endsOn"),
        next_on=starts_on,
        recorded_by_id=ctx.scope.user_id,
    )
    check_tax(row.amount_minor, row.tax_minor, "input.tax")
    await _check_category(ctx.db, row.category_id)
    return RecurringExpense.of(await _book(ctx, settings, await ctx.db.insert(row)))


@mutation_in_turn
async def update_recurring_expense(
    ctx: MutationContext, input: Annotated[UpdateRecurringExpenseInput, strawberry.argument(description="What to change.")]
) -> RecurringExpense:
    """Changes what a recurring expense books from its next day on; expenses that it has booked stay as they are."""
    row = await _existing(ctx.db, input.id, "input.id")
    changes = amounts_in_minor(input.model_dump(exclude_unset=True, exclude={"id"}), row.currency)
    path = "input.tax" if "tax_minor" in changes else "input.amount"
    check_tax(changes.get("amount_minor", row.amount_minor), changes.get("tax_minor", row.tax_minor), path)
    await _check_category(ctx.db, changes.get("category_id"))
    if "ends_on" in changes:
        changes |= _ending(row, changes["ends_on"])
    row = await ctx.db.update(row, **changes)
    return RecurringExpense.of(await _book(ctx, await settings_row(ctx.db), row))


@mutation
async def delete_recurring_expense(ctx: MutationContext, id: RecurringId) -> RecurringExpense:
    """Deletes a recurring expense; expenses that it has booked stay."""
    row = await _existing(ctx.db, id, "id")
    await delete_recorded(ctx.db, row, row.vendor or row.note)
    return RecurringExpense.of(row)


async def book_due(ctx: MutationContext, id: str) -> bool:
    """Books what a recurring expense has due up to today, at most `MOST_BOOKED` expenses; whether more of it is due. Internal.

    Nothing where it has ended or is gone. Whoever books the same at the same time is run again and finds it done: both change its row.
    """
    ctx = ctx.for_business
    row = await ctx.db.get(tables.RecurringExpense, id)
    if row is None:
        return False
    settings = await settings_row(ctx.db)
    return _is_due(await _book(ctx, settings, row), day_of(ctx.now, settings.time_zone))


async def _book(ctx: MutationContext, settings: tables.Settings, row: tables.RecurringExpense) -> tables.RecurringExpense:
    """Books what is due, as far as one transaction may, and returns the row as it is then."""
    today = day_of(ctx.now, settings.time_zone)
    due: list[tables.Expense] = []
    planned = row
    while planned.next_on is not None and _is_due(planned, today) and len(due) < MOST_BOOKED:
        due.append(_expense(ctx, row, planned.next_on))
        planned = planned.model_copy(update={"next_on": _next_after(row, date.fromisoformat(planned.next_on))})
    if not due:
        return row
    # First of all, so that another transaction that books the same fails here.
    row = await ctx.db.update(row, next_on=planned.next_on)
    await count_expenses(ctx.db, row.category_id, len(due))
    await book(ctx, settings, due)
    return row


def _is_due(row: tables.RecurringExpense, today: date) -> bool:
    return row.next_on is not None and row.next_on <= today.isoformat()


def _expense(ctx: MutationContext, row: tables.RecurringExpense, day: str) -> tables.Expense:
    return tables.Expense(
        id=tables.Expense.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=row.account_id,
        currency=row.currency,
        amount_minor=row.amount_minor,
        tax_minor=row.tax_minor,
        vendor=row.vendor,
        category_id=row.category_id,
        note=row.note,
        incurred_on=day,
        recurring_id=row.id,
        recorded_by_id=row.recorded_by_id,
        booked_for=day,
    )


def _next_after(row: tables.RecurringExpense, day: date) -> str | None:
    """The first day after `day` that it is booked for; None where it has ended then."""
    following = next_after(date.fromisoformat(row.starts_on), row.interval, day).isoformat()
    return None if row.ends_on is not None and following > row.ends_on else following


def _ending(row: tables.RecurringExpense, ends_on: date | None) -> dict[str, Any]:
    """The columns of another end. What was booked stays booked: it is neither before the end nor booked again."""
    starts_on, booked = date.fromisoformat(row.starts_on), _last_booked(row)
    text = None if ends_on is None else _last_day(ends_on, booked or starts_on, "input.endsOn")
    following = row.starts_on if booked is None else next_after(starts_on, row.interval, booked).isoformat()
    return {"ends_on": text, "next_on": None if text is not None and following > text else following}


def _last_booked(row: tables.RecurringExpense) -> date | None:
    """The last day that it was booked for; where nothing comes next, that is the last day it could be."""
    starts_on = date.fromisoformat(row.starts_on)
    following = row.next_on or next_after(starts_on, row.interval, date.fromisoformat(row.ends_on or row.starts_on)).isoformat()
    return last_before(starts_on, row.interval, date.fromisoformat(following))


def _last_day(ends_on: date, first: date, path: str) -> str:
    if not first <= ends_on <= LATEST:
        raise InvalidInputError.of(path, f"must be from {first} to {LATEST}")
    return ends_on.isoformat()


def _date(day: str | None) -> date | None:
    return None if day is None else date.fromisoformat(day)


async def _check_category(db: Writer, id: str | None) -> None:
    if id is not None:
        await existing_category(db, id, "input.categoryId")


async def _existing(db: Writer, id: str, path: str) -> tables.RecurringExpense:
    return await db.get_existing(tables.RecurringExpense, id_of(tables.RecurringExpense, id, path), path)
