"""The demo shop's trade is written by the functions of the business, with all that goes with it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from datastore.errors import ConflictError
from resolvers.demo import enter_demo_shop, fill_demo_shop, trade_in_demo_shop
from resolvers.demo_books import closing, first_on, moment_of
from resolvers.demo_trade import Plan
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import PASSWORD, Api, Person

pytestmark = pytest.mark.slow

EMAIL = "demo@example.org"
BOOKS = """
{
  sales(first: 100) { nodes { number status soldOn total items { quantity } customerName voidedAt refunds { number reason } } }
  expenses(first: 100) { nodes { vendor amount incurredOn category { name } } }
  expenseCategories { nodes { name monthlyBudget expenseCount } }
  recurringExpenses { nodes { vendor interval nextOn } }
  transactions(first: 100, kind: MANUAL) { nodes { description amount } }
}
"""


async def books(api: Api) -> dict[str, Any]:
    """What somebody sees who signs in to the demo shop."""
    sign_in = "mutation ($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) { accessToken } }"
    token = (await api.data(sign_in, {"e": EMAIL, "p": PASSWORD}))["signIn"]["accessToken"]
    data = await api.data(BOOKS, caller=Person(EMAIL, token, "", "", ""))
    return {name: connection["nodes"] for name, connection in data.items()}


async def test_months_of_trade_are_made_with_all_that_goes_with_them(api: Api, services: Services) -> None:
    await fill_demo_shop(services, products=40, email=EMAIL, password=PASSWORD, progress=lambda _: None)
    scope = await enter_demo_shop(services, EMAIL, PASSWORD)
    made = await trade_in_demo_shop(services, scope, sales=600, months=3, last_day=date(2026, 10, 31), progress=lambda _: None)
    assert made == 600
    found = await books(api)
    assert [sale["number"] for sale in found["sales"]] == sorted((sale["number"] for sale in found["sales"]), reverse=True)
    assert found["sales"][0]["soldOn"] == "2026-10-31"
    assert {expense["category"]["name"] for expense in found["expenses"]} >= {"Goods", "Rent", "Wages", "Utilities"}
    assert sum(category["expenseCount"] for category in found["expenseCategories"]) == len(found["expenses"])
    assert any(category["monthlyBudget"] for category in found["expenseCategories"])
    assert all(recurring["nextOn"] >= "2026-11-01" for recurring in found["recurringExpenses"])
    assert {entry["description"] for entry in found["transactions"]} == {"Change for the till", "Drawn by the owner"}
    verified = await verify(services.database)
    assert verified.findings == ()
    assert verified.sales == 600


async def test_refunds_and_voids_are_among_the_sales(api: Api, services: Services) -> None:
    await fill_demo_shop(services, products=40, email=EMAIL, password=PASSWORD, progress=lambda _: None)
    scope = await enter_demo_shop(services, EMAIL, PASSWORD)
    await trade_in_demo_shop(services, scope, sales=400, months=1, last_day=date(2026, 10, 31), progress=lambda _: None)
    reply = await services.database.command({"distinct": "sales", "key": "status"})
    assert set(reply["values"]) == {"COMPLETED", "PARTLY_REFUNDED", "REFUNDED", "VOIDED"}
    assert "refunds" in (await books(api))["sales"][0]


async def test_a_shop_with_nothing_to_sell_is_refused(database: object, services: Services) -> None:
    scope = await enter_demo_shop(services, EMAIL, PASSWORD)
    with pytest.raises(ConflictError, match="no product"):
        await trade_in_demo_shop(services, scope, sales=1, months=1, last_day=date(2026, 10, 31), progress=lambda _: None)


def test_hours_of_a_plan_are_those_of_its_time_zone() -> None:
    plan = Plan("zones", date(2026, 10, 1), date(2026, 10, 31), 10, "Europe/Berlin")
    assert moment_of(plan, date(2026, 7, 1), 6) == datetime(2026, 7, 1, 4, tzinfo=UTC)
    assert closing(plan) == datetime(2026, 10, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "of_month", "first"),
    [
        (date(2026, 5, 24), 1, date(2026, 6, 1)),
        (date(2026, 5, 24), 28, date(2026, 5, 28)),
        (date(2026, 12, 24), 15, date(2027, 1, 15)),
        (date(2026, 5, 1), 1, date(2026, 5, 1)),
    ],
)
def test_the_first_such_day_of_a_month_is_found(day: date, of_month: int, first: date) -> None:
    assert first_on(day, of_month) == first
