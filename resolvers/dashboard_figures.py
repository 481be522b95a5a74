"""The figures of a period as the API shows them, and how they changed from the period before."""

from datetime import date
from fractions import Fraction
from typing import Self

import strawberry

from resolvers.figures import Figures, LazyFigures
from resolvers.functions import QueryContext, field
from resolvers.money import Money, Percentage, from_minor, from_ppm
from resolvers.periods import Period
from resolvers.scalars import Quantity

_PPM = 1_000_000


@strawberry.interface(
    description="What came and went in a period of whole days. A voided sale does not count; a refund counts on the day that it was made."
)
class PeriodFigures:
    """The figures of one period."""

    figures: strawberry.Private[LazyFigures]
    from_: date = strawberry.field(name="from", description="The first day.")
    to: date = strawberry.field(description="The last day.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")

    @field()
    async def revenue(self, ctx: QueryContext) -> Money:
        """What was sold: the totals of the sales, tax included, before refunds."""
        return from_minor((await self.figures.read(ctx.db)).sales_minor, self.currency)

    @field()
    async def refunds(self, ctx: QueryContext) -> Money:
        """What was given back, tax included, whenever it had been sold."""
        return from_minor((await self.figures.read(ctx.db)).refunds_minor, self.currency)

    @field()
    async def tax(self, ctx: QueryContext) -> Money:
        """The tax in the revenue, less the tax in the refunds. The tax in expenses is not taken off."""
        return from_minor((await self.figures.read(ctx.db)).tax_minor, self.currency)

    @field()
    async def expenses(self, ctx: QueryContext) -> Money:
        """What was spent, tax included."""
        return from_minor((await self.figures.read(ctx.db)).expenses_minor, self.currency)

    @field()
    async def profit(self, ctx: QueryContext) -> Money:
        """What is left, all without tax: revenue less refunds less `tax`, less the expenses without the tax in them.

        What the goods cost counts when it is booked as an expense, not when they are sold. Money moved by hand does not count.
        """
        return from_minor((await self.figures.read(ctx.db)).profit_minor, self.currency)

    @field()
    async def sales_count(self, ctx: QueryContext) -> Quantity:
        """How many sales there were, those that were refunded later included."""
        return Quantity((await self.figures.read(ctx.db)).sales_count)

    @field()
    async def average_sale(self, ctx: QueryContext) -> Money | None:
        """The revenue of one sale, rounded half to even; null where there was none."""
        average = (await self.figures.read(ctx.db)).average_sale_minor
        return None if average is None else from_minor(average, self.currency)


@strawberry.type(description="The period that a dashboard is compared with.")
class PreviousPeriod(PeriodFigures):
    """The calendar unit, or as many days, before."""


@strawberry.type(
    description="How much each figure changed from the previous period, in percent of what it was then: 25 is a quarter more, -100 is "
    "nothing any more. Of a figure that was below zero, more is a positive change too. Null where the figure was zero, or is not."
)
class FigureChanges:
    """The change of each figure."""

    revenue: Percentage | None = strawberry.field(description="The change of the revenue.")
    refunds: Percentage | None = strawberry.field(description="The change of the refunds.")
    tax: Percentage | None = strawberry.field(description="The change of the tax.")
    expenses: Percentage | None = strawberry.field(description="The change of the expenses.")
    profit: Percentage | None = strawberry.field(description="The change of the profit.")
    sales_count: Percentage | None = strawberry.field(description="The change of how many sales there were.")
    average_sale: Percentage | None = strawberry.field(description="The change of the average sale.")

    @classmethod
    def between(cls, before: Figures, now: Figures) -> Self:
        """The changes from one period's figures to another's."""
        return cls(
            revenue=change_in_percent(before.sales_minor, now.sales_minor),
            refunds=change_in_percent(before.refunds_minor, now.refunds_minor),
            tax=change_in_percent(before.tax_minor, now.tax_minor),
            expenses=change_in_percent(before.expenses_minor, now.expenses_minor),
            profit=change_in_percent(before.profit_minor, now.profit_minor),
            sales_count=change_in_percent(before.sales_count, now.sales_count),
            average_sale=change_in_percent(before.average_sale_minor, now.average_sale_minor),
        )


@strawberry.type(description="A part of a period, with its figures, as in `Dashboard`.")
class SeriesPoint:
    """One point of a series."""

    from_: date = strawberry.field(name="from", description="The first day.")
    to: date = strawberry.field(description="The last day.")
    revenue: Money = strawberry.field(description="What was sold.")
    refunds: Money = strawberry.field(description="What was given back.")
    expenses: Money = strawberry.field(description="What was spent.")
    profit: Money = strawberry.field(description="What is left.")
    sales_count: Quantity = strawberry.field(description="How many sales there were.")

    @classmethod
    def of(cls, period: Period, figures: Figures, currency: str) -> Self:
        """The point of one period."""
        return cls(
            from_=period.first,
            to=period.last,
            revenue=from_minor(figures.sales_minor, currency),
            refunds=from_minor(figures.refunds_minor, currency),
            expenses=from_minor(figures.expenses_minor, currency),
            profit=from_minor(figures.profit_minor, currency),
            sales_count=Quantity(figures.sales_count),
        )


def change_in_percent(before: int | None, now: int | None) -> Percentage | None:
    """The change in percent of what was, by its size, with four decimals, rounded half to even; None where there is nothing to compare."""
    if not before or now is None:
        return None
    return from_ppm(round(Fraction((now - before) * _PPM, abs(before))))
