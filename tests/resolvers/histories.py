"""Random trade of a shop: sales, refunds and expenses as rows, kept as the sums that mutations would keep of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, TypeVar, cast, get_args

from datastore.database import Database
from datastore.schema import Expense, Refund, RefundItem, Sale, SaleItem
from datastore.schema_sales import PaymentMethod
from datastore.scope import Scope
from datastore.tables import Row
from datastore.writing import Writer
from resolvers.periods import Period
from resolvers.summaries import Tallies
from tests.datastore.samples import write

MOMENT = datetime(2026, 11, 24, tzinfo=UTC)
METHODS = get_args(PaymentMethod)
AnyRow = TypeVar("AnyRow", bound=Row)

_EMPTY: dict[Any, Any] = {int: 0, str: "", bool: False}


@dataclass
class Trade:
    """What happened, row by row."""

    sales: list[tuple[Sale, list[SaleItem]]] = field(default_factory=list)
    refunds: list[tuple[Refund, list[RefundItem]]] = field(default_factory=list)
    expenses: list[Expense] = field(default_factory=list)

    async def keep(self, database: Database, scope: Scope) -> None:
        """Adds all of it to the account's sums."""
        tallies = Tallies()
        for sale, items in self.sales:
            tallies.sale(sale, items)
        for refund, refund_items in self.refunds:
            tallies.refund(refund, refund_items)
        for expense in self.expenses:
            tallies.expense(expense)

        async def body(writer: Writer) -> None:
            await tallies.keep(writer)

        await write(database, scope, body)

    def within(self, period: Period) -> "Trade":
        """What happened in a period."""
        low, high = f"{period.first}", f"{period.last}"
        return Trade(
            [sold for sold in self.sales if low <= sold[0].sold_on <= high],
            [refund for refund in self.refunds if low <= refund[0].refunded_on <= high],
            [expense for expense in self.expenses if low <= expense.incurred_on <= high],
        )

    def products(self) -> dict[str, tuple[int, int]]:
        """What each product brought in, in minor units, and how many of it went."""
        found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        moved = [(item.product_id, item.total_minor, item.quantity) for _, items in self.sales for item in items]
        moved += [(item.product_id, -item.amount_minor, -item.quantity) for _, items in self.refunds for item in items]
        for product_id, amount, quantity in moved:
            found[product_id] = (found[product_id][0] + amount, found[product_id][1] + quantity)
        return dict(found)


@dataclass(frozen=True)
class Dealer:
    """Makes rows of one account, by chance."""

    scope: Scope
    random: Random
    products: Sequence[str]
    categories: Sequence[str | None] = (None,)
    most_minor: int = 10_000
    """The most that one piece costs."""

    def trade(self, first: date, days: int, *, sales: int, refunds: int = 0, expenses: int = 0) -> Trade:
        """Some rows on random days."""
        on = [first + timedelta(days=self.random.randrange(days)) for _ in range(sales + refunds + expenses)]
        return Trade(
            [self.sale(on.pop()) for _ in range(sales)],
            [self.refund(on.pop()) for _ in range(refunds)],
            [self.expense(on.pop()) for _ in range(expenses)],
        )

    def sale(self, day: date) -> tuple[Sale, list[SaleItem]]:
        """A sale of one to four items."""
        sale_id = Sale.new_id()
        items = [self._item(sale_id, position) for position in range(self.random.randint(1, 4))]
        hour = self.random.randrange(24)
        made = self._row(
            Sale,
            id=sale_id,
            status="COMPLETED",
            total_minor=sum(item.total_minor for item in items),
            tax_minor=sum(item.tax_minor for item in items),
            payment_method=self.random.choice(METHODS),
            payment_status="PAID",
            sold_at=datetime.combine(day, time(hour), UTC),
            sold_on=f"{day}",
            sold_hour=hour,
        )
        return made, items

    def refund(self, day: date) -> tuple[Refund, list[RefundItem]]:
        """A refund of up to three items of sales that nobody asks for."""
        items = []
        for position in range(self.random.randint(1, 3)):
            quantity, piece = self.random.randint(1, 3), self.random.randint(0, self.most_minor)
            product_id = self.random.choice(self.products)
            item = self._row(RefundItem, product_id=product_id, position=position, quantity=quantity, amount_minor=quantity * piece)
            items.append(item.model_copy(update={"tax_minor": item.amount_minor // 11}))
        made = self._row(
            Refund,
            amount_minor=sum(item.amount_minor for item in items),
            tax_minor=sum(item.tax_minor for item in items),
            payment_method=self.random.choice(METHODS),
            refunded_on=f"{day}",
        )
        return made, items

    def expense(self, day: date) -> Expense:
        """Money spent."""
        amount = self.random.randint(1, 5 * self.most_minor)
        category_id = self.random.choice(self.categories)
        return self._row(Expense, amount_minor=amount, tax_minor=amount // 7, category_id=category_id, incurred_on=f"{day}")

    def _item(self, sale_id: str, position: int) -> SaleItem:
        quantity, piece = self.random.randint(1, 5), self.random.randint(0, self.most_minor)
        return self._row(
            SaleItem,
            sale_id=sale_id,
            position=position,
            product_id=self.random.choice(self.products),
            quantity=quantity,
            unit_price_minor=piece,
            total_minor=quantity * piece,
            tax_minor=quantity * piece // 11,
        )

    def _row(self, table: type[AnyRow], **columns: Any) -> AnyRow:
        """A row with these columns; the others are as good as empty."""
        plain: dict[str, Any] = {name: _EMPTY.get(info.annotation) for name, info in table.model_fields.items()}
        own = {"id": table.new_id(), "account_id": self.scope.account_id, "created_at": MOMENT, "updated_at": MOMENT, "currency": "EUR"}
        return cast("AnyRow", table.model_construct(**{**plain, **own, **columns}))
