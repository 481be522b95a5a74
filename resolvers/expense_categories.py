"""Headings that expenses are booked under, with what may be spent on each in a month and what was."""

from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import delete_recorded
from resolvers.connections import Connection
from resolvers.days import Days, From, To
from resolvers.functions import MutationContext, QueryContext, field, mutation, mutation_in_turn, query, shows
from resolvers.money import Money, Price, from_minor, to_minor
from resolvers.nodes import Node, node_of, node_type
from resolvers.positions import next_position, put_in_order
from resolvers.settings import currency_of_amounts, settings_row
from resolvers.summaries import Tallies, month_of
from resolvers.text import Description, Name

if TYPE_CHECKING:
    from resolvers.expenses import Expense

MOST_MOVED = 10_000
"""Expenses that deleting a category moves: one transaction has to end within seconds (so many take two)."""

_BATCH = 1000

NAME = "What the category is called, 1 to 200 characters; no two are called the same, accents and case aside."
DESCRIPTION = "What it is about, up to 5,000 characters."
BUDGET = "What may be spent on it in a calendar month, in the currency of the settings; not negative."


@node_type(tables.ExpenseCategory)
@strawberry.type(description="A heading that expenses are booked under.")
class ExpenseCategory(Node):
    """A category of the caller's account."""

    row: strawberry.Private[tables.ExpenseCategory]
    name: str = strawberry.field(description="What it is called.")
    description: str = strawberry.field(description="What it is about; may be empty.")
    position: int = strawberry.field(description="Its place among the categories, ascending, not necessarily without gaps.")
    expense_count: int = strawberry.field(description="How many expenses are booked under it.")
    monthly_budget: Money | None = strawberry.field(
        description="What may be spent on it in a calendar month, in the currency of the settings; null where nobody said.",
        metadata=shows("monthly_budget_minor", "currency"),
    )

    @classmethod
    def of(cls, row: tables.ExpenseCategory) -> Self:
        """The row as the API shows it."""
        budget = None
        if row.monthly_budget_minor is not None and row.currency is not None:
            budget = from_minor(row.monthly_budget_minor, row.currency)
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            description=row.description,
            position=row.position,
            expense_count=row.expense_count,
            monthly_budget=budget,
        )

    @field(columns=[])
    async def spent_this_month(self, ctx: QueryContext) -> Money:
        """What was spent on it in the calendar month that today is in, in the currency of the settings; days to come included."""
        settings = await settings_row(ctx.db)
        month = month_of(ctx.today(settings.time_zone).isoformat())
        spent = await ctx.db.find(tables.Breakdown, "by_key", "EXPENSE_CATEGORY", "MONTH", month, self.row.id)
        return from_minor(0 if spent is None else spent.amount_minor, settings.currency)

    @field(columns=[])
    async def expenses(
        self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None, from_: From = None, to: To = None
    ) -> Connection[Annotated["Expense", strawberry.lazy("resolvers.expenses")]]:
        """The expenses that are booked under it, the newest first."""
        days = Days.between(from_, to)
        page = await ctx.db.shown.page(
            tables.Expense, "by_category", (self.row.id,), first=first, after=after, descending=True, low=days.low, high=days.high
        )
        return Connection.of(page, node_of)


@strawberry.pydantic.input(description="A new expense category. It becomes the last one.")
class CreateExpenseCategoryInput(BaseModel):
    """A new category."""

    name: Name = Field(description=NAME)
    description: Description = Field(default="", description=DESCRIPTION)
    monthly_budget: Price | None = Field(default=None, description=BUDGET)


@strawberry.pydantic.input(description="What to change of an expense category; what is left out stays.")
class UpdateExpenseCategoryInput(BaseModel):
    """Changes of a category."""

    id: strawberry.ID = Field(description="The category to change.")
    name: strawberry.Maybe[Name] = Field(default=None, description=NAME)
    description: strawberry.Maybe[Description] = Field(default=None, description=DESCRIPTION)
    monthly_budget: strawberry.Maybe[Price | None] = Field(default=None, description=f"{BUDGET} Null: none.")


CategoryId = Annotated[strawberry.ID, strawberry.argument(description="The id of an expense category.")]


@query
async def expense_categories(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ExpenseCategory]:
    """Your expense categories, in the order that you put them in."""
    page = await ctx.db.shown.page(tables.ExpenseCategory, "by_position", (), first=first, after=after)
    return Connection.of(page, ExpenseCategory.of)


@query
async def expense_category(ctx: QueryContext, id: CategoryId) -> ExpenseCategory | None:
    """One of your expense categories; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.ExpenseCategory, id_of(tables.ExpenseCategory, id, "id"))
    return None if row is None else ExpenseCategory.of(row)


@mutation
async def create_expense_category(
    ctx: MutationContext, input: Annotated[CreateExpenseCategoryInput, strawberry.argument(description="The new category.")]
) -> ExpenseCategory:
    """Makes an expense category. CONFLICT where the name is taken, or there are 500 already."""
    row = tables.ExpenseCategory(
        id=tables.ExpenseCategory.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=input.name,
        description=input.description,
        position=await next_position(ctx.db, tables.ExpenseCategory),
        expense_count=0,
        **await _budget(ctx.db, input.monthly_budget),
    )
    return ExpenseCategory.of(await ctx.db.insert(row))


@mutation
async def update_expense_category(
    ctx: MutationContext, input: Annotated[UpdateExpenseCategoryInput, strawberry.argument(description="What to change.")]
) -> ExpenseCategory:
    """Changes an expense category. CONFLICT where the new name is taken."""
    row = await existing_category(ctx.db, input.id, "input.id")
    changes: dict[str, Any] = input.model_dump(exclude_unset=True, exclude={"id"})
    if "monthly_budget" in changes:
        changes |= await _budget(ctx.db, changes.pop("monthly_budget"))
    return ExpenseCategory.of(await ctx.db.update(row, **changes))


@mutation_in_turn
async def delete_expense_category(
    ctx: MutationContext,
    id: CategoryId,
    move_expenses_to: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="The category that its expenses go to, at most 10,000 of them, and its recurring expenses."),
    ] = None,
) -> ExpenseCategory:
    """Deletes an expense category. CONFLICT where expenses are in it, recurring ones too, and nothing is said of where they go."""
    row = await existing_category(ctx.db, id, "id")
    recurring = await ctx.db.scan(tables.RecurringExpense, "by_category", (row.id,), first=_BATCH)
    if move_expenses_to is not None:
        if move_expenses_to == id:
            raise InvalidInputError.of("moveExpensesTo", "must be another category than the one deleted")
        target = await existing_category(ctx.db, move_expenses_to, "moveExpensesTo")
        await ctx.db.update_all([(each, {"category_id": target.id}) for each in recurring])
        row = await _move_expenses(ctx.db, row, target)
    elif row.expense_count or recurring:
        held = f"{row.expense_count} expenses and {len(recurring)} recurring ones"
        raise ConflictError(f"{held} are in this category; say with moveExpensesTo where they go.")
    await delete_recorded(ctx.db, row, row.name)
    return ExpenseCategory.of(row)


@mutation
async def reorder_expense_categories(
    ctx: MutationContext,
    ids: Annotated[
        list[strawberry.ID], strawberry.argument(description="The ids of all your expense categories, each once, in the new order.")
    ],
) -> list[ExpenseCategory]:
    """Puts your expense categories in a new order, and returns them in it."""
    return [ExpenseCategory.of(row) for row in await put_in_order(ctx.db, tables.ExpenseCategory, ids)]


async def count_expenses(db: Writer, category_id: str | None, delta: int) -> None:
    """Keeps the count of a category that expenses come to or leave. NotFoundError, naming `input.categoryId`, where there is none.

    It writes the category's row, which thereby cannot be deleted by a transaction at the same time.
    """
    if category_id is not None:
        await db.increment(await existing_category(db, category_id, "input.categoryId"), expense_count=delta)


async def existing_category(db: Writer, id: str, path: str) -> tables.ExpenseCategory:
    """The category with this id. Raises InvalidInputError or NotFoundError, naming the argument at `path`."""
    return await db.get_existing(tables.ExpenseCategory, id_of(tables.ExpenseCategory, id, path), path)


async def _budget(db: Writer, budget: Money | None) -> dict[str, Any]:
    """The columns of a budget. It is an amount like any other, so it fixes the currency."""
    if budget is None:
        return {"currency": None, "monthly_budget_minor": None}
    currency = await currency_of_amounts(db)
    return {"currency": currency, "monthly_budget_minor": to_minor(budget, currency, "input.monthlyBudget")}


async def _move_expenses(db: Writer, source: tables.ExpenseCategory, target: tables.ExpenseCategory) -> tables.ExpenseCategory:
    """Moves all expenses of a category, in batches, with the sums that they are part of, and returns its row as it is then."""
    if source.expense_count > MOST_MOVED:
        held = f"{source.expense_count:,} expenses are in this category"
        raise ConflictError(f"{held}; at most {MOST_MOVED:,} are moved at once. Move the others with updateExpense before.")
    tallies = Tallies()
    # What was moved has left the index, so the next batch is always the first page.
    while rows := await db.scan(tables.Expense, "by_category", (source.id,), first=_BATCH):
        for before, after in zip(rows, await db.update_all([(row, {"category_id": target.id}) for row in rows]), strict=True):
            tallies.expense(before, -1)
            tallies.expense(after)
    await tallies.keep(db)
    await db.increment(target, expense_count=source.expense_count)
    return await db.increment(source, expense_count=-source.expense_count)
