"""How the business does: what came and went in a period, put together from summary rows when it is asked for.

What it costs grows with the days and months that are asked for, and not with what happened in them.
"""

from datetime import date
from typing import Annotated, Final

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from resolvers.arguments import DEFAULT_PAGE, After, First
from resolvers.connections import Connection
from resolvers.dashboard_figures import FigureChanges, PeriodFigures, PreviousPeriod, SeriesPoint
from resolvers.expense_categories import ExpenseCategory
from resolvers.figures import LazyFigures, figures_of_parts, parts_of
from resolvers.functions import QueryContext, field, query
from resolvers.money import Money, from_minor
from resolvers.periods import Division, Period, PeriodPreset, covering_divided, divided, period_before, period_between, period_of
from resolvers.product_lists import ProductFilter, ProductOrder, page_of_products
from resolvers.products import Product
from resolvers.sale_inputs import PaymentMethod
from resolvers.scalars import Quantity
from resolvers.settings import settings_row
from resolvers.summaries import UNCATEGORISED
from resolvers.top_products import MOST_PRODUCTS, top_products
from resolvers.transactions import Transaction

MOST_POINTS: Final = 400
"""In one series."""

_DEFAULT_TOP: Final = 10
_HOURS: Final = 24


@strawberry.type(description="What one product brought in.")
class TopProduct:
    """A product among the greatest."""

    product_id: strawberry.ID = strawberry.field(description="The product's id.")
    quantity: Quantity = strawberry.field(description="How many were sold, less those that were given back.")
    revenue: Money = strawberry.field(description="What was paid for them, tax included, less what was given back.")

    @field()
    async def product(self, ctx: QueryContext) -> Product | None:
        """The product; null where it is no more."""
        row = await ctx.db.shown.get(tables.Product, self.product_id)
        return None if row is None else Product.of(row)

    @field()
    async def name(self, ctx: QueryContext) -> str:
        """What the product is called now; empty where it is no more."""
        row = await ctx.db.get(tables.Product, self.product_id)
        return "" if row is None else row.name


@strawberry.type(description="What was spent under one category.")
class ExpensesOfCategory:
    """The sum of one category."""

    category_id: strawberry.ID | None = strawberry.field(description="The category's id; null for expenses without one.")
    amount: Money = strawberry.field(description="What was spent, tax included.")
    count: Quantity = strawberry.field(description="How many expenses there were.")

    @field()
    async def category(self, ctx: QueryContext) -> ExpenseCategory | None:
        """The category; null for expenses without one."""
        row = None if self.category_id is None else await ctx.db.shown.get(tables.ExpenseCategory, self.category_id)
        return None if row is None else ExpenseCategory.of(row)


@strawberry.type(description="What was paid in one way.")
class SalesOfPaymentMethod:
    """The sum of one payment method."""

    payment_method: PaymentMethod = strawberry.field(description="The way.")
    amount: Money = strawberry.field(description="What was paid, tax included, less what was given back in the same way.")
    count: Quantity = strawberry.field(description="How many sales there were.")


@strawberry.type(description="What was sold in one hour of the day, over all days of the period.")
class SalesOfHour:
    """The sum of one hour."""

    hour: int = strawberry.field(description="The hour by the clock of the business: 0 is from midnight to one, 23 the last.")
    amount: Money = strawberry.field(description="What was sold, tax included, before refunds.")
    count: Quantity = strawberry.field(description="How many sales there were.")


@strawberry.type(description="How the business does in a period of whole days. Each field is read only when it is asked for.")
class Dashboard(PeriodFigures):
    """The figures of a period, and what they are made of."""

    period: strawberry.Private[Period]
    figures_before: strawberry.Private[LazyFigures | None]

    @field()
    async def previous(self, ctx: QueryContext) -> PreviousPeriod | None:
        """The figures that it is compared with; null without `compareWithPrevious`."""
        del ctx
        before = self.figures_before
        if before is None:
            return None
        return PreviousPeriod(figures=before, from_=before.period.first, to=before.period.last, currency=self.currency)

    @field()
    async def change(self, ctx: QueryContext) -> FigureChanges | None:
        """How much each figure changed from the previous period; null without `compareWithPrevious`."""
        if self.figures_before is None:
            return None
        return FigureChanges.between(await self.figures_before.read(ctx.db), await self.figures.read(ctx.db))

    @field()
    async def series(
        self, ctx: QueryContext, by: Annotated[Division, strawberry.argument(description="What the period is divided into.")]
    ) -> list[SeriesPoint]:
        """The figures of each part of the period in order, those in which nothing happened included; at most 400."""
        parts = divided(self.period, by)
        if len(parts) > MOST_POINTS:
            raise InvalidInputError.of("by", f"would give {len(parts):,} points, more than {MOST_POINTS}")
        figures = await figures_of_parts(ctx.db, parts, covering_divided(self.period, by))
        return [SeriesPoint.of(part, sums, self.currency) for part, sums in zip(parts, figures, strict=True)]

    @field()
    async def top_products(
        self,
        ctx: QueryContext,
        first: Annotated[int, strawberry.argument(description=f"How many products, 1 to {MOST_PRODUCTS}.")] = _DEFAULT_TOP,
    ) -> list[TopProduct]:
        """The products that brought in most, less what was given back of them, the best first; none that brought in nothing."""
        return [
            TopProduct(
                product_id=strawberry.ID(part.key), quantity=Quantity(part.count), revenue=from_minor(part.amount_minor, self.currency)
            )
            for part in await top_products(ctx.db, self.period, first)
        ]

    @field()
    async def expenses_by_category(self, ctx: QueryContext) -> list[ExpensesOfCategory]:
        """The expenses of each category that has any, the greatest amount first."""
        return [
            ExpensesOfCategory(
                category_id=None if part.key == UNCATEGORISED else strawberry.ID(part.key),
                amount=from_minor(part.amount_minor, self.currency),
                count=Quantity(part.count),
            )
            for part in await parts_of(ctx.db, "EXPENSE_CATEGORY", self.period)
        ]

    @field()
    async def sales_by_payment_method(self, ctx: QueryContext) -> list[SalesOfPaymentMethod]:
        """The sales of each payment method that was used, less refunds, the greatest amount first."""
        return [
            SalesOfPaymentMethod(
                payment_method=PaymentMethod(part.key), amount=from_minor(part.amount_minor, self.currency), count=Quantity(part.count)
            )
            for part in await parts_of(ctx.db, "PAYMENT_METHOD", self.period)
        ]

    @field()
    async def sales_by_hour(self, ctx: QueryContext) -> list[SalesOfHour]:
        """The sales of each of the 24 hours of the day, those in which nothing was sold included."""
        parts = {int(part.key): part for part in await parts_of(ctx.db, "HOUR", self.period)}
        hours = [(hour, parts.get(hour)) for hour in range(_HOURS)]
        return [
            SalesOfHour(
                hour=hour, amount=from_minor(part.amount_minor if part else 0, self.currency), count=Quantity(part.count if part else 0)
            )
            for hour, part in hours
        ]

    @field()
    async def low_stock_products(self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Product]:
        """The products whose stock is low now, whatever the period, those with the least first."""
        wanted = ProductFilter(low_stock=True)
        page = await page_of_products(ctx.db.shown, wanted, ProductOrder.STOCK, first=first, after=after, descending=False)
        return Connection.of(page, Product.of)

    @field()
    async def recent_transactions(self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Transaction]:
        """The entries of the ledger, whatever the period, the newest first."""
        page = await ctx.db.shown.page(tables.LedgerEntry, "by_occurred", (), first=first, after=after, descending=True)
        return Connection.of(page, Transaction.of)

    @field()
    async def inventory_value(self, ctx: QueryContext) -> Money:
        """What the tracked stock of all products cost, as it is now, whatever the period; products without a cost count nothing."""
        row = await ctx.db.find(tables.Inventory, "by_key")
        return from_minor(row.value_minor if row else 0, self.currency)


@query
async def dashboard(
    ctx: QueryContext,
    preset: Annotated[PeriodPreset | None, strawberry.argument(description="A period that is named from today.")] = None,
    from_: Annotated[
        date | None, strawberry.argument(name="from", description="In place of a preset: the first day, from 2000 to 2099.")
    ] = None,
    to: Annotated[date | None, strawberry.argument(description="The last day; less than ten years after the first.")] = None,
    compare_with_previous: Annotated[
        bool,
        strawberry.argument(
            description="Whether to give `previous` and `change`: days, weeks, months and years are compared with the whole one before, "
            "other periods with as many days before."
        ),
    ] = False,
) -> Dashboard:
    """How your business does in a period: a preset, or the days from `from` to `to`, both included.

    A preset follows the clock of the business: watched live, TODAY becomes the new day at midnight.
    """
    ctx.db.require(tables.Summary)
    settings = await settings_row(ctx.db)
    period = _period(ctx, settings.time_zone, preset, from_, to)
    return Dashboard(
        figures=LazyFigures(period),
        figures_before=LazyFigures(period_before(period, preset)) if compare_with_previous else None,
        period=period,
        from_=period.first,
        to=period.last,
        currency=settings.currency,
    )


def _period(ctx: QueryContext, time_zone: str, preset: PeriodPreset | None, first: date | None, last: date | None) -> Period:
    if preset is None:
        if first is None and last is None:
            raise InvalidInputError.of("preset", "give a preset, or `from` and `to`")
        return period_between(first, last)
    if first is not None or last is not None:
        raise InvalidInputError.of("preset", "goes without `from` and `to`")
    return period_of(preset, ctx.today(time_zone))
