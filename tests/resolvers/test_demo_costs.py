"""What the demo shop spends is in proportion to what it takes."""

from datetime import date, timedelta

from resolvers.demo_costs import BUDGETS, CATEGORIES, RECURRING, SMALL, monthly_minor, share_minor, small_cost
from resolvers.demo_trade import Plan

YEAR = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]


def plan(sales: int) -> Plan:
    return Plan("costs", YEAR[0], YEAR[-1], sales, "UTC")


def test_a_larger_shop_pays_more_rent_and_a_tiny_one_some() -> None:
    assert share_minor(plan(100_000), 12) > 9 * share_minor(plan(10_000), 12)
    assert share_minor(plan(1), 12) == 1_000
    assert monthly_minor(plan(36_500)) == 36_000 * 100


def test_something_small_is_bought_about_every_fourth_day_and_the_same_each_time() -> None:
    days = [small_cost(plan(1_000), day) for day in YEAR]
    bought = [cost for cost in days if cost is not None]
    assert 60 < len(bought) < 120
    assert {cost.category for cost, _ in bought} == {cost.category for cost in SMALL}
    assert days == [small_cost(plan(1_000), day) for day in YEAR]


def test_every_cost_has_its_category_and_what_is_budgeted_too() -> None:
    named = {cost.category for cost in (*RECURRING, *SMALL)}
    assert named | BUDGETS.keys() <= set(CATEGORIES)
    assert len(CATEGORIES) == len(set(CATEGORIES))
