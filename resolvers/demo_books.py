"""The demo shop's books: months of trade written by the functions of the business themselves, hundreds of sales in one transaction.

Each transaction is one step of a plan, and counts the step: what was interrupted goes on where it stopped, and the books add up at every
moment between. Rows are dated as if each thing had been recorded when it happened.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

import strawberry

from datastore import schema as tables
from datastore.bulk_writing import BulkWriter
from datastore.errors import ConflictError
from datastore.scope import Scope
from resolvers.demo_costs import BUDGETS, CATEGORIES, FLOAT_MINOR, GOODS, RECURRING, VENDORS, WITHDRAWN_PERCENT, share_minor, small_cost
from resolvers.demo_trade import Customers, Due, Plan, PlannedLine, PlannedRefund, PlannedSale
from resolvers.expense_categories import CreateExpenseCategoryInput, create_expense_category
from resolvers.expense_inputs import CreateRecurringExpenseInput, RecordExpenseInput
from resolvers.expenses import record_expense
from resolvers.functions import MutationContext
from resolvers.money import Money, from_minor
from resolvers.pricing import tax_of
from resolvers.product_inputs import AdjustStockInput
from resolvers.products import adjust_stock
from resolvers.recurring_expenses import book_due, create_recurring_expense
from resolvers.refunds import refund_sale, void_sale
from resolvers.sale_inputs import PaymentMethod, RecordSaleInput, RefundItemInput, RefundSaleInput, SaleItemInput
from resolvers.sales import record_sale
from resolvers.scalars import Quantity
from resolvers.settings import settings_row
from resolvers.transactions import RecordTransactionInput, record_transaction

MOST_GOODS: Final = 1_000
"""Products that are traded in; a shop may have more."""

LOT_DAYS: Final = 14
"""How long a delivery lasts, about."""

NEVER_DELIVERED: Final = 7
"""Of every so many products one is not ordered again: what is low on stock is to be seen as well."""

GOODS_TAX_PPM: Final = 70_000

Action = Callable[[MutationContext], Awaitable[None]]


@dataclass
class Till:
    """One step of a plan, in one transaction. `before` is how many sales there were before the plan; `due` are refunds to come."""

    plan: Plan
    before: int
    scope: Scope
    db: BulkWriter
    currency: str
    goods: Sequence[tables.Product]
    customers: Customers
    due: list[Due]
    horizon: datetime
    """When the next step begins."""
    _agenda: list[tuple[datetime, int, Action]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _delivered_minor: int = 0

    @classmethod
    async def open(cls, plan: Plan, before: int, scope: Scope, db: BulkWriter, due: Sequence[Due] | None, begin: int) -> "Till":
        """A till on the shop as the transaction finds it; `due` is None where that is to be found out.

        Raises ConflictError where nothing is for sale.
        """
        categories = {row.id: row.name for row in await db.scan(tables.ProductCategory, "by_position", (), first=MOST_GOODS)}
        goods = await db.scan(tables.Product, "by_created", (False,), first=MOST_GOODS)
        if not goods:
            raise ConflictError("The shop has no product to sell.")
        customers = Customers(plan, [categories.get(row.category_id or "", "") for row in goods])
        end = begin + plan.at_once
        horizon = next(plan.moments(end, end + 1)) if end < plan.sales else closing(plan)
        currency = (await settings_row(db)).currency
        return cls(plan, before, scope, db, currency, goods, customers, customers.due(begin) if due is None else list(due), horizon)

    async def trade(self, begin: int) -> None:
        """Everything that happens from sale number `begin` of the plan to the next step."""
        for sale, number in zip(self.customers.sales(begin), count(begin)):
            self._note(sale.sold_at, partial(self._sell, sale, number))
        for day in self.plan.days_of(begin, min(begin + self.plan.at_once, self.plan.sales)):
            self._note(moment_of(self.plan, day, 19), partial(self._close, day))
        while self.due and self.due[0].at < self.horizon:
            self._note_refund(heapq.heappop(self.due))
        while self._agenda:
            moment, _, action = heapq.heappop(self._agenda)
            await action(self.context(moment))

    def context(self, moment: datetime) -> MutationContext:
        """A context in which it is that moment."""
        return MutationContext(scope=self.scope, db=self.db, now=moment)

    def _note(self, moment: datetime, action: Action) -> None:
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    def _note_refund(self, due: Due) -> None:
        """In this step or a later one; what comes after the end of the plan does not come."""
        if due.at < self.horizon:
            self._note(due.at, partial(self._refund, due.number, due.refund))
        elif due.at < closing(self.plan):
            heapq.heappush(self.due, due)

    async def _sell(self, planned: PlannedSale, number: int, ctx: MutationContext) -> None:
        items = [item for line in planned.lines if (item := await self._item(line, ctx)) is not None]
        if not items:
            items = [await self._anything(number, ctx)]
        sale = await record_sale(
            ctx,
            RecordSaleInput(
                items=items,
                discount=await self._discount(items, planned.discount_percent),
                payment_method=PaymentMethod[planned.method],
                customer_name=planned.customer,
            ),
        )
        if planned.void is not None:
            self._note(planned.sold_at + planned.void, partial(self._void, sale.id))
        if planned.refund is not None:
            self._note_refund(Due(planned.sold_at + planned.refund.after, number, planned.refund))

    async def _item(self, line: PlannedLine, ctx: MutationContext) -> SaleItemInput | None:
        """A line as it can be sold; None where the shop has run out of it for good."""
        product = await self._product(line.place)
        if product.track_stock and product.stock < line.quantity:
            if line.place % NEVER_DELIVERED == NEVER_DELIVERED - 1:
                return None
            product = await self._deliver(line.place, line.quantity, ctx)
        off = product.price_minor * line.quantity * line.discount_percent // 100
        return SaleItemInput(
            product_id=strawberry.ID(product.id), quantity=Quantity(line.quantity), discount=self._money(off) if off else None
        )

    async def _anything(self, number: int, ctx: MutationContext) -> SaleItemInput:
        """What somebody takes who finds nothing of what they came for."""
        place = number * NEVER_DELIVERED % len(self.goods)
        product = await self._product(place)
        if product.track_stock and product.stock < 1:
            product = await self._deliver(place, 1, ctx)
        return SaleItemInput(product_id=strawberry.ID(product.id), quantity=Quantity(1))

    async def _deliver(self, place: int, wanted: int, ctx: MutationContext) -> tables.Product:
        """Has more of a product brought, just in time; it is paid for in the evening."""
        pieces = self.plan.sales / self.plan.days * LOT_DAYS * self.customers.share(place) * 3
        lot = max(24, wanted, round(pieces / 12) * 12)
        product = await self._product(place)
        delivery = AdjustStockInput(product_id=strawberry.ID(product.id), delta=Quantity(lot), reason="Delivery")
        await adjust_stock(self.context(ctx.now - timedelta(minutes=1)), delivery)
        self._delivered_minor += lot * (product.cost_minor or 0)
        return await self._product(place)

    async def _discount(self, items: Sequence[SaleItemInput], percent: int) -> Money | None:
        if not percent:
            return None
        products = await self.db.get_all(tables.Product, [item.product_id for item in items])
        subtotal = sum(products[item.product_id].price_minor * item.quantity for item in items if item.discount is None)
        return self._money(subtotal * percent // 100)

    async def _void(self, sale_id: str, ctx: MutationContext) -> None:
        await void_sale(ctx, strawberry.ID(sale_id), "Mistyped")

    async def _refund(self, number: int, planned: PlannedRefund, ctx: MutationContext) -> None:
        sale = await self.db.find(tables.Sale, "by_number", self.before + number + 1)
        if sale is None or sale.status != "COMPLETED":  # somebody else was faster
            return
        [first] = await self.db.scan(tables.SaleItem, "by_sale", (sale.id,), first=1)
        part = [RefundItemInput(item_id=strawberry.ID(first.id), quantity=Quantity(1))]
        refund = RefundSaleInput(
            sale_id=strawberry.ID(sale.id), items=None if planned.whole else part, reason=planned.reason, restock=planned.restock
        )
        await refund_sale(ctx, refund)

    async def _close(self, day: date, ctx: MutationContext) -> None:
        """What is paid in the evening."""
        if self._delivered_minor:
            vendor = self.plan.generator("vendor", day).choice(VENDORS)
            await spend(ctx, GOODS, vendor, self._money(self._delivered_minor), self._money(tax_in(self._delivered_minor)))
            self._delivered_minor = 0
        if (small := small_cost(self.plan, day)) is not None:
            cost, amount = small
            await spend(ctx, cost.category, cost.vendor, self._money(amount), note=cost.note)
        if day.day == 1:
            amount = -share_minor(self.plan, WITHDRAWN_PERCENT)
            await record_transaction(ctx, RecordTransactionInput(amount=self._money(amount), description="Drawn by the owner"))

    async def _product(self, place: int) -> tables.Product:
        return await self.db.get_existing(tables.Product, self.goods[place].id)

    def _money(self, minor: int) -> Money:
        return from_minor(minor, self.currency)


async def open_books(plan: Plan, scope: Scope, db: BulkWriter) -> None:
    """The first step of a plan: categories of expenses, costs that recur, and the change in the till, where they are not there yet."""
    opening = MutationContext(scope=scope, db=db, now=moment_of(plan, plan.first_day, 6))
    currency = (await settings_row(db)).currency
    categories = {row.name for row in await db.scan(tables.ExpenseCategory, "by_position", (), first=500)}
    for name in CATEGORIES:
        if name not in categories:
            budget = from_minor(share_minor(plan, BUDGETS[name]), currency) if name in BUDGETS else None
            await create_expense_category(opening, CreateExpenseCategoryInput(name=name, monthly_budget=budget))
    if not await db.scan(tables.RecurringExpense, "by_next", (), first=1):
        await _set_up_recurring(plan, opening, currency)
    if not await db.scan(tables.LedgerEntry, "by_kind", ("MANUAL",), first=1):
        change = RecordTransactionInput(amount=from_minor(FLOAT_MINOR, currency), description="Change for the till")
        await record_transaction(opening, change)


async def _set_up_recurring(plan: Plan, opening: MutationContext, currency: str) -> None:
    """They are booked up to the end of the plan."""
    at_the_end = MutationContext(scope=opening.scope, db=opening.db, now=closing(plan))
    for cost in RECURRING:
        amount = share_minor(plan, cost.percent)
        recurring = await create_recurring_expense(
            opening,
            CreateRecurringExpenseInput(
                amount=from_minor(amount, currency),
                tax=from_minor(tax_of(amount, cost.tax_rate_ppm, included=True), currency),
                vendor=cost.vendor,
                category_id=await _category_id(opening, cost.category),
                interval=cost.interval,
                starts_on=first_on(plan.first_day, cost.day),
            ),
        )
        while await book_due(at_the_end, recurring.id):
            pass


async def spend(ctx: MutationContext, category: str, vendor: str, amount: Money, tax: Money | None = None, note: str = "") -> None:
    """Records an expense in the category of this name."""
    category_id = await _category_id(ctx, category)
    input = RecordExpenseInput(amount=amount, vendor=vendor, category_id=category_id, note=note)
    await record_expense(ctx, input if tax is None else input.model_copy(update={"tax": tax}))


async def _category_id(ctx: MutationContext, name: str) -> strawberry.ID | None:
    row = await ctx.db.find(tables.ExpenseCategory, "by_name", name.casefold())
    return None if row is None else strawberry.ID(row.id)


def tax_in(amount_minor: int) -> int:
    """The tax in what goods cost."""
    return tax_of(amount_minor, GOODS_TAX_PPM, included=True)


def moment_of(plan: Plan, day: date, hour: int) -> datetime:
    """An hour of a day in the time zone of a plan, UTC."""
    return datetime.combine(day, time(hour), ZoneInfo(plan.time_zone)).astimezone(UTC)


def closing(plan: Plan) -> datetime:
    """When a plan ends."""
    return moment_of(plan, plan.last_day, 23)


def first_on(day: date, of_month: int) -> date:
    """The first day from `day` on that is the given day of a month."""
    if day.day <= of_month:
        return day.replace(day=of_month)
    return date(day.year + day.month // 12, day.month % 12 + 1, of_month)
