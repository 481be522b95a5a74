"""The dashboard, through the API, held against adding up every row."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from datastore.database import Database
from resolvers.periods import Period
from tests.commands import Commands
from tests.gql.api import Api, Person
from tests.resolvers.histories import Dealer, Trade
from tests.resolvers.shop import make_product, problems

FIGURES = "from to currency revenue refunds tax expenses profit salesCount averageSale"
CHANGE = "revenue refunds tax expenses profit salesCount averageSale"
POINT = "from to revenue refunds expenses profit salesCount"
EVERYTHING = f"""
query ($from: Date!, $to: Date!) {{
  dashboard(from: $from, to: $to, compareWithPrevious: true) {{
    {FIGURES}
    previous {{ {FIGURES} }}
    change {{ {CHANGE} }}
    days: series(by: DAY) {{ {POINT} }}
    weeks: series(by: WEEK) {{ {POINT} }}
    months: series(by: MONTH) {{ {POINT} }}
    topProducts(first: 3) {{ productId name quantity revenue product {{ id name }} }}
    expensesByCategory {{ categoryId amount count category {{ id name }} }}
    salesByPaymentMethod {{ paymentMethod amount count }}
    salesByHour {{ hour amount count }}
    lowStockProducts(first: 3) {{ nodes {{ name stock }} }}
    recentTransactions(first: 3) {{ nodes {{ amount }} }}
    inventoryValue
  }}
}}
"""
CREATE_EXPENSE_CATEGORY = "mutation ($input: CreateExpenseCategoryInput!) { createExpenseCategory(input: $input) { id } }"
RECORD_TRANSACTION = "mutation ($input: RecordTransactionInput!) { recordTransaction(input: $input) { id } }"
TEN_YEARS = f"""
{{
  dashboard(from: "2016-03-02", to: "2026-02-27", compareWithPrevious: true) {{
    {FIGURES}
    previous {{ {FIGURES} }}
    change {{ {CHANGE} }}
    series(by: MONTH) {{ {POINT} }}
    topProducts(first: 10) {{ name product {{ name }} }}
    expensesByCategory {{ category {{ name }} }}
    salesByPaymentMethod {{ amount }}
    salesByHour {{ amount }}
    lowStockProducts {{ nodes {{ name }} }}
    recentTransactions {{ nodes {{ amount }} }}
    inventoryValue
  }}
}}
"""
FIRST = date(2025, 10, 20)
DAYS = 130


def money(minor: int) -> str:
    return f"{Decimal(minor).scaleb(-2):f}"


def figures_of(trade: Trade, period: Period) -> dict[str, Any]:
    """The figures of a period, added up row by row."""
    trade = trade.within(period)
    sold = sum(sale.total_minor for sale, _ in trade.sales)
    back = sum(refund.amount_minor for refund, _ in trade.refunds)
    spent = sum(expense.amount_minor for expense in trade.expenses)
    tax = sum(sale.tax_minor for sale, _ in trade.sales) - sum(refund.tax_minor for refund, _ in trade.refunds)
    profit = sold - back - tax - (spent - sum(expense.tax_minor for expense in trade.expenses))
    count = len(trade.sales)
    average = money(int((Decimal(sold) / count).quantize(Decimal(1)))) if count else None
    return {
        "from": f"{period.first}",
        "to": f"{period.last}",
        "currency": "USD",
        "revenue": money(sold),
        "refunds": money(back),
        "tax": money(tax),
        "expenses": money(spent),
        "profit": money(profit),
        "salesCount": count,
        "averageSale": average,
    }


def change_of(before: Any, now: Any) -> str | None:
    if before is None or now is None or Decimal(before) == 0:
        return None
    change = (100 * (Decimal(now) - Decimal(before)) / abs(Decimal(before))).quantize(Decimal("0.0001"))
    return f"{change:f}".rstrip("0").rstrip(".")


def points_of(trade: Trade, parts: Iterable[Period]) -> list[dict[str, Any]]:
    return [{name: figures_of(trade, part)[name] for name in POINT.split()} for part in parts]


def split(period: Period, by: str) -> list[Period]:
    """The parts of a period, by looking at each day's neighbour."""
    parts: list[Period] = []
    for number in range(period.days):
        day = period.first + timedelta(days=number)
        begins = by == "DAY" or (by == "WEEK" and day.weekday() == 0) or (by == "MONTH" and day.day == 1)
        parts = [*parts, Period(day, day)] if begins or not parts else [*parts[:-1], Period(parts[-1].first, day)]
    return parts


class Shop:
    """Somebody's business with some trade in it."""

    def __init__(self, api: Api, owner: Person, database: Database, seed: int) -> None:
        self.api = api
        self.owner = owner
        self.database = database
        self.random = Random(seed)
        self.trade = Trade()
        self.names: dict[str, str] = {}
        self.categories: dict[str | None, str] = {}

    async def open(self, products: int = 8, categories: int = 3) -> None:
        for number in range(products):
            made = await make_product(self.api, self.owner, f"Product {number}", trackStock=False)
            self.names[made["id"]] = made["name"]
        for number in range(categories):
            made = await self.api.data(CREATE_EXPENSE_CATEGORY, {"input": {"name": f"Category {number}"}}, caller=self.owner)
            self.categories[made["createExpenseCategory"]["id"]] = f"Category {number}"

    async def dealer(self) -> Dealer:
        scope = await self.api.scope_of(self.owner)
        assert scope is not None
        return Dealer(scope, self.random, list(self.names), [None, *self.categories])

    async def keep(self, trade: Trade) -> None:
        scope = await self.api.scope_of(self.owner)
        assert scope is not None
        await trade.keep(self.database, scope)
        self.trade.sales += trade.sales
        self.trade.refunds += trade.refunds
        self.trade.expenses += trade.expenses

    async def do(self, document: str, **variables: Any) -> None:
        await self.api.data(document, variables, caller=self.owner)

    async def dashboard(self, document: str, **variables: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api.data(document, variables, caller=self.owner))["dashboard"]
        return found


@pytest.fixture
async def shop(api: Api, owner: Person, database: Database) -> Shop:
    """Four months of trade."""
    shop = Shop(api, owner, database, 11)
    await shop.open()
    await shop.keep((await shop.dealer()).trade(FIRST, DAYS, sales=160, refunds=50, expenses=50))
    return shop


Sums = dict[Any, tuple[int, int]]
"""An amount in minor units and a count, by what they are of."""


def summed(parts: Iterable[tuple[Any, int, int]], keys: Iterable[Any] = ()) -> Sums:
    sums: Sums = dict.fromkeys(keys, (0, 0))
    for key, amount, count in parts:
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + amount, before[1] + count
    return sums


def greatest_first(sums: Sums) -> list[tuple[Any, int, int]]:
    return [(key, amount, count) for key, (amount, count) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0] or ""))]


def parts_of(shop: "Shop", trade: Trade) -> dict[str, Any]:
    """What the figures are made of, added up row by row."""
    products = [part for part in greatest_first(trade.products()) if part[1] > 0][:3]
    categories = summed((expense.category_id, expense.amount_minor, 1) for expense in trade.expenses)
    taken = [(sale.payment_method, sale.total_minor, 1) for sale, _ in trade.sales]
    methods = summed([*taken, *((refund.payment_method, -refund.amount_minor, 0) for refund, _ in trade.refunds)])
    hours = summed(((sale.sold_hour, sale.total_minor, 1) for sale, _ in trade.sales), range(24))
    return {
        "topProducts": [
            {
                "productId": id,
                "name": shop.names[id],
                "quantity": count,
                "revenue": money(amount),
                "product": {"id": id, "name": shop.names[id]},
            }
            for id, amount, count in products
        ],
        "expensesByCategory": [
            {"categoryId": id, "amount": money(amount), "count": count, "category": id and {"id": id, "name": shop.categories[id]}}
            for id, amount, count in greatest_first(categories)
        ],
        "salesByPaymentMethod": [
            {"paymentMethod": method, "amount": money(amount), "count": count} for method, amount, count in greatest_first(methods)
        ],
        "salesByHour": [{"hour": hour, "amount": money(amount), "count": count} for hour, (amount, count) in hours.items()],
    }


@pytest.mark.slow
async def test_every_figure_is_what_adding_up_the_rows_gives(shop: Shop) -> None:
    for _ in range(20):
        first = FIRST + timedelta(days=shop.random.randrange(-20, DAYS))
        period = Period(first, first + timedelta(days=shop.random.choice([0, 1, 6, 13, 30, 31, 60, 90, 150])))
        found = await shop.dashboard(EVERYTHING, **{"from": f"{period.first}", "to": f"{period.last}"})
        before = Period(period.first - timedelta(days=period.days), period.first - timedelta(days=1))
        figures, figures_before = figures_of(shop.trade, period), figures_of(shop.trade, before)
        assert {name: found[name] for name in FIGURES.split()} == figures
        assert found["previous"] == figures_before
        assert found["change"] == {name: change_of(figures_before[name], figures[name]) for name in CHANGE.split()}
        for name, by in (("days", "DAY"), ("weeks", "WEEK"), ("months", "MONTH")):
            assert found[name] == points_of(shop.trade, split(period, by))
        parts = parts_of(shop, shop.trade.within(period))
        assert {name: found[name] for name in parts} == parts


async def test_what_is_of_now_stands_beside_any_period(shop: Shop) -> None:
    for name, stock, cost in (("Scarce", 1, "2.50"), ("Void", 0, "9.00"), ("Plenty", 10, "1.25"), ("Unknown cost", 10, None)):
        await make_product(shop.api, shop.owner, name, stock=stock, cost=cost, trackStock=True, lowStockThreshold=2)
    for amount in ("1.00", "-2.00", "3.00"):
        await shop.do(RECORD_TRANSACTION, input={"amount": amount, "description": "Float"})
    for period in ("preset: TODAY", 'from: "2001-01-01", to: "2001-01-01"'):
        found = await shop.dashboard(
            f"{{ dashboard({period}) {{ inventoryValue lowStockProducts(first: 2) {{ nodes {{ name }} }} "
            "recentTransactions(first: 2) { nodes { amount } pageInfo { hasNextPage } } } }"
        )
        assert found["inventoryValue"] == "15.00"
        assert [node["name"] for node in found["lowStockProducts"]["nodes"]] == ["Void", "Scarce"]
        assert [node["amount"] for node in found["recentTransactions"]["nodes"]] == ["3.00", "-2.00"]
        assert found["recentTransactions"]["pageInfo"] == {"hasNextPage": True}


async def test_a_business_in_which_nothing_happened_has_a_dashboard_of_zeros(api: Api, owner: Person, database: Database) -> None:
    shop = Shop(api, owner, database, 1)
    found = await shop.dashboard(EVERYTHING, **{"from": "2026-01-01", "to": "2026-01-31"})
    zero = figures_of(Trade(), Period(date(2026, 1, 1), date(2026, 1, 31)))
    assert {name: found[name] for name in FIGURES.split()} == zero
    assert zero["averageSale"] is None
    assert set(found["change"].values()) == {None}
    assert (found["topProducts"], found["expensesByCategory"], found["salesByPaymentMethod"]) == ([], [], [])
    assert (len(found["days"]), len(found["salesByHour"]), found["inventoryValue"]) == (31, 24, "0.00")


async def test_there_is_no_previous_period_unless_it_is_asked_for(shop: Shop) -> None:
    found = await shop.dashboard("{ dashboard(preset: THIS_YEAR) { previous { revenue } change { revenue } } }")
    assert found == {"previous": None, "change": None}


# --- what it costs ---


async def test_ten_years_cost_a_few_commands(shop: Shop, commands: Commands) -> None:
    await shop.dashboard(TEN_YEARS)
    before = commands.reads
    await shop.dashboard(TEN_YEARS)
    assert commands.reads - before <= 12


async def test_nobody_pays_for_what_is_not_selected(shop: Shop, commands: Commands) -> None:
    async def cost(selection: str) -> int:
        before = commands.reads
        await shop.dashboard(f'{{ dashboard(from: "2025-11-01", to: "2025-11-30", compareWithPrevious: true) {{ {selection} }} }}')
        return commands.reads - before

    nothing = await cost("from to currency")
    figures = f"{FIGURES} previous {{ {FIGURES} }} change {{ {CHANGE} }} series(by: DAY) {{ {POINT} }}"
    assert await cost(figures) == nothing + 1
    assert await cost("topProducts { quantity }") == nothing + 1
    assert await cost("topProducts { name product { name } }") == nothing + 2
    assert await cost(f"{figures} topProducts {{ name }} salesByHour {{ amount }} salesByPaymentMethod {{ count }}") <= nothing + 3


# --- hostile input ---


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ("compareWithPrevious: true", "preset"),
        ("preset: null, from: null, to: null", "preset"),
        ('preset: TODAY, from: "2026-01-01", to: "2026-01-02"', "preset"),
        ('preset: TODAY, from: "2026-01-01"', "preset"),
        ('preset: TODAY, to: "2026-01-01"', "preset"),
        ('from: "2026-01-01"', "to"),
        ('to: "2026-01-01"', "from"),
        ('from: "2026-01-02", to: "2026-01-01"', "to"),
        ('from: "1900-01-01", to: "1900-01-02"', "from"),
        ('from: "2199-01-01", to: "2200-01-02"', "from"),
        ('from: "2095-01-01", to: "2200-01-02"', "to"),
        ('from: "2015-01-01", to: "2025-01-01"', "to"),
        ('from: "0001-01-01", to: "9999-12-31"', "from"),
    ],
)
async def test_a_period_that_cannot_be_is_refused(api: Api, owner: Person, arguments: str, path: str) -> None:
    response = await api.execute(f"{{ dashboard({arguments}) {{ revenue }} }}", caller=owner)
    assert problems(response) == [path]


@pytest.mark.parametrize(
    "arguments",
    [
        "preset: NEXT_YEAR",
        'preset: "TODAY"',
        'from: "2026-02-30", to: "2026-03-01"',
        'from: "20260101", to: "20260102"',
        'from: "2026-W01-1", to: "2026-01-31"',
        'from: "2026-01-01T00:00:00Z", to: "2026-01-02"',
        "from: 20260101, to: 20260102",
        'from: "", to: ""',
        "preset: TODAY, compareWithPrevious: null",
    ],
)
async def test_what_is_no_day_and_no_preset_is_refused(api: Api, owner: Person, arguments: str) -> None:
    response = await api.execute(f"{{ dashboard({arguments}) {{ revenue }} }}", caller=owner)
    assert {error["extensions"]["code"] for error in response["errors"]} == {"INVALID_INPUT"}


@pytest.mark.parametrize(
    ("selection", "path"),
    [
        ("topProducts(first: 0) { name }", "first"),
        ("topProducts(first: 51) { name }", "first"),
        ("lowStockProducts(first: 101) { nodes { id } }", "first"),
        ('lowStockProducts(after: "x") { nodes { id } }', "after"),
        ("recentTransactions(first: -1) { nodes { id } }", "first"),
        ("series(by: DAY) { from }", "by"),
        ("series(by: WEEK) { from }", "by"),
    ],
)
async def test_more_than_can_be_shown_is_refused(api: Api, owner: Person, selection: str, path: str) -> None:
    document = f'{{ dashboard(from: "2016-01-01", to: "2025-12-31") {{ {selection} }} }}'
    assert problems(await api.execute(document, caller=owner)) == [path]


@pytest.mark.parametrize(("to", "points"), [("2025-02-04", 400), ("2025-02-05", None)])
async def test_a_series_has_at_most_400_points(api: Api, owner: Person, to: str, points: int | None) -> None:
    response = await api.execute(f'{{ dashboard(from: "2024-01-02", to: "{to}") {{ series(by: DAY) {{ to }} }} }}', caller=owner)
    if points is None:
        assert problems(response) == ["by"]
    else:
        assert len(response["data"]["dashboard"]["series"]) == points


async def test_nobody_sees_a_dashboard_without_signing_in(api: Api) -> None:
    assert await api.code("{ dashboard(preset: TODAY) { revenue } }") == "UNAUTHENTICATED"


async def test_a_stranger_sees_nothing_of_it(shop: Shop, stranger: Person) -> None:
    theirs = Shop(shop.api, stranger, shop.database, 1)
    found = await theirs.dashboard(EVERYTHING, **{"from": f"{FIRST}", "to": f"{FIRST + timedelta(days=DAYS)}"})
    assert (found["revenue"], found["refunds"], found["expenses"], found["topProducts"]) == ("0.00", "0.00", "0.00", [])
    assert all(point["revenue"] == "0.00" for point in found["days"])
