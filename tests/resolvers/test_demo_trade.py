"""The plan of the demo shop's trade: complete, in order, plausible, and the same each time."""

from collections import Counter
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest

from resolvers.demo_trade import CLOSED, FEWEST_AT_ONCE, LONGEST_REGRET, Customers, Plan, PlannedSale, months_before

CATEGORIES = ["Coffee", "Tea", "Bakery", "Lunch", "Books", "Vinyl"] * 10


def plan(
    sales: int, *, first: date = date(2026, 1, 1), last: date = date(2026, 12, 31), zone: str = "Europe/Berlin", name: str = "x"
) -> Plan:
    return Plan(name, first, last, sales, zone)


def everything(one: Plan) -> list[PlannedSale]:
    customers = Customers(one, CATEGORIES)
    return [sale for begin in range(0, one.sales, one.at_once) for sale in customers.sales(begin)]


@pytest.mark.parametrize("sales", [1, 2, 499, 500, 501, 3_000])
@pytest.mark.parametrize(("first", "last"), [(date(2026, 3, 1), date(2026, 3, 31)), (date(2024, 12, 20), date(2025, 1, 3))])
def test_all_sales_are_made_in_order_within_the_days_of_the_plan(sales: int, first: date, last: date) -> None:
    planned = everything(plan(sales, first=first, last=last))
    assert len(planned) == sales
    assert [sale.sold_at for sale in planned] == sorted(sale.sold_at for sale in planned)
    assert all(first.isoformat() <= sale.sold_on <= last.isoformat() for sale in planned)


@pytest.mark.parametrize("sales", [1, 3, 700, 5_000])
def test_every_day_belongs_to_exactly_one_part(sales: int) -> None:
    one = plan(sales)
    days = [day for begin in range(0, sales, FEWEST_AT_ONCE) for day in one.days_of(begin, min(begin + FEWEST_AT_ONCE, sales))]
    assert days == [one.first_day + timedelta(days=number) for number in range(one.days)]


def test_seasons_weekdays_and_opening_hours_are_seen_in_it() -> None:
    planned = everything(plan(20_000))
    months = Counter(sale.sold_on[5:7] for sale in planned)
    weekdays = Counter(date.fromisoformat(sale.sold_on).weekday() for sale in planned)
    assert months["12"] > 1.3 * months["01"]
    assert weekdays[5] > weekdays[0] > weekdays[6] > 0
    assert {sale.sold_hour for sale in planned} == set(range(7, 19))
    assert not {(date.fromisoformat(sale.sold_on).month, date.fromisoformat(sale.sold_on).day) for sale in planned} & CLOSED


def test_hours_are_those_of_the_wall_clock_also_when_clocks_change() -> None:
    for sale in everything(plan(4_000)):
        wall = sale.sold_at.astimezone(ZoneInfo("Europe/Berlin"))
        assert (wall.date().isoformat(), wall.hour) == (sale.sold_on, sale.sold_hour)
        assert sale.sold_at.tzinfo is UTC


def test_lunch_is_bought_at_noon() -> None:
    planned = everything(plan(5_000))
    lunch = Counter(sale.sold_hour for sale in planned for line in sale.lines if CATEGORIES[line.place] == "Lunch")
    assert lunch[12] + lunch[13] > lunch.total() / 2


def test_some_things_are_bought_far_more_often_than_others() -> None:
    bought = Counter(line.place for sale in everything(plan(5_000)) for line in sale.lines)
    assert bought.most_common(1)[0][1] > 10 * bought.most_common()[-1][1]


def test_the_same_plan_says_the_same_and_another_name_another() -> None:
    assert everything(plan(1_200)) == everything(plan(1_200))
    assert everything(plan(1_200)) != everything(plan(1_200, name="y"))


def test_a_part_can_be_asked_for_alone() -> None:
    one = plan(1_200)
    assert list(Customers(one, CATEGORIES).sales(500)) == everything(plan(1_200))[500:1000]


@pytest.mark.parametrize("begin", [0, 500, 1_000, 1_500, 2_500])
def test_refunds_to_come_are_found_out_again(begin: int) -> None:
    one = plan(3_000, first=date(2026, 5, 1), last=date(2026, 6, 30))
    planned = everything(one)
    moment = planned[begin].sold_at
    expected = [
        (sale.sold_at + sale.refund.after, number)
        for number, sale in enumerate(planned[:begin])
        if sale.refund is not None and sale.sold_at + sale.refund.after >= moment
    ]
    assert [(due.at, due.number) for due in Customers(one, CATEGORIES).due(begin)] == sorted(expected)
    assert begin == 0 or expected


def test_refunds_come_after_their_sales_within_days() -> None:
    refunds = [sale.refund for sale in everything(plan(5_000)) if sale.refund is not None]
    assert 50 < len(refunds) < 150
    assert all(timedelta(0) < refund.after < LONGEST_REGRET for refund in refunds)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 11, 23), 6, date(2026, 5, 23)),
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 12, 31), 24, date(2024, 12, 31)),
    ],
)
def test_months_before_a_day_end_with_their_last_day(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before
