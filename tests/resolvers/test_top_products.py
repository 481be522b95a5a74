"""The products that brought in most: found by the threshold algorithm, held against adding up everything."""

from collections import Counter
from datetime import date, timedelta
from random import Random

import pytest

from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.schema import Breakdown
from datastore.scope import Scope
from resolvers.figures import Part
from resolvers.periods import Period, Span
from resolvers.top_products import Ranking, top_products
from tests.commands import Commands
from tests.datastore.samples import MOMENT, reader_of, stored
from tests.resolvers.histories import Dealer, Trade

FIRST = date(2025, 11, 20)


def products(count: int) -> list[str]:
    return [f"prd_{number:03}" for number in range(count)]


def check(found: list[Part], trade: Trade, period: Period, first: int) -> None:
    """They are what adding up everything gives; of those that tie for the last places, any will do."""
    sums = trade.within(period).products()
    assert all((part.amount_minor, part.count) == sums[part.key] for part in found)
    assert len({part.key for part in found}) == len(found)
    greatest = sorted((amount for amount, _ in sums.values() if amount > 0), reverse=True)
    assert [part.amount_minor for part in found] == greatest[:first]
    assert found == sorted(found, key=lambda part: (-part.amount_minor, part.key))


@pytest.mark.parametrize(
    ("seed", "of", "most_minor", "sales", "refunds"),
    [(1, 30, 10_000, 400, 40), (2, 100, 3, 300, 100), (3, 200, 1, 200, 150), (4, 5, 500, 100, 100), (5, 300, 20_000, 600, 50)],
    ids=["usual", "many ties", "as many given back as sold", "few products", "many products"],
)
@pytest.mark.slow
async def test_the_greatest_are_those_that_adding_up_everything_gives(
    database: Database, scope: Scope, seed: int, of: int, most_minor: int, sales: int, refunds: int
) -> None:
    random = Random(seed)
    trade = Dealer(scope, random, products(of), most_minor=most_minor).trade(FIRST, 150, sales=sales, refunds=refunds)
    await trade.keep(database, scope)
    for _ in range(25):
        start = FIRST + timedelta(days=random.randrange(-40, 150))
        period = Period(start, start + timedelta(days=random.choice([0, 1, 6, 30, 70, 160])))
        first = random.choice([1, 2, 3, 10, 50])
        check(list(await top_products(reader_of(database, scope), period, first)), trade, period, first)


async def test_a_product_that_is_first_nowhere_can_be_the_first_of_all(database: Database, scope: Scope) -> None:
    """Second on each of twenty days, each of which another product leads."""
    names = products(21)
    trade = Trade()
    for number in range(20):
        dealer = Dealer(scope, Random(number), [names[number]], most_minor=100)
        sale, items = dealer.sale(FIRST + timedelta(days=number))
        trade.sales.append((sale, [items[0].model_copy(update={"total_minor": 100, "quantity": 1})]))
        trade.sales.append((sale, [items[0].model_copy(update={"product_id": names[20], "total_minor": 99, "quantity": 2})]))
    await trade.keep(database, scope)
    found = await top_products(reader_of(database, scope), Period(FIRST, FIRST + timedelta(days=19)), 1)
    assert found == [Part(names[20], 20 * 99, 40)]


@pytest.mark.slow
async def test_the_first_of_all_may_come_behind_a_hundred_that_tie_in_every_list(database: Database, scope: Scope) -> None:
    winner, *names = products(261)
    trade = Trade()
    for day in range(2):
        for name, amount in [*((name, 10) for name in names[130 * day : 130 * day + 130]), (winner, 9)]:
            sale, [item, *_] = Dealer(scope, Random(day), [name]).sale(FIRST + timedelta(days=day))
            trade.sales.append((sale, [item.model_copy(update={"total_minor": amount, "quantity": 1})]))
    await trade.keep(database, scope)
    period = Period(FIRST, FIRST + timedelta(days=1))
    for first in (1, 50):
        found = list(await top_products(reader_of(database, scope), period, first))
        check(found, trade, period, first)
        assert found[0] == Part(winner, 18, 2)


@pytest.mark.parametrize("period", [Period(FIRST, FIRST), Period(date(2025, 12, 1), date(2025, 12, 31))], ids=["a day", "a month"])
async def test_of_one_day_or_month_no_more_is_read_than_is_asked_for(
    database: Database, scope: Scope, commands: Commands, period: Period
) -> None:
    trade = Dealer(scope, Random(7), products(200)).trade(period.first, 1, sales=100)
    await trade.keep(database, scope)
    reader, before = reader_of(database, scope), commands.reads
    check(list(await top_products(reader, period, 10)), trade, period, 10)
    assert commands.reads == before + 1
    assert len(reader.read_set.seen) <= 11, "one more tells whether there are more"


@pytest.mark.slow
async def test_over_ten_years_only_the_tops_of_the_months_are_read(database: Database, scope: Scope, commands: Commands) -> None:
    """Of a shop as shops are: the n-th product sells an n-th as often as the first, half as much more or less."""
    random, names = Random(10), products(200)
    months = [date(2016 + number // 12, number % 12 + 1, 1) for number in range(120)]
    rows = [
        sums_of_a_month(scope, month, name, random.randrange(50_000, 150_000) // place)
        for month in months
        for place, name in enumerate(names, start=1)
    ]
    await stored(database, *rows)
    totals = Counter[str]()
    for row in rows:
        totals[row.key] += row.amount_minor
    reader, before = reader_of(database, scope), commands.reads
    found = await top_products(reader, Period(months[0], date(2025, 12, 31)), 10)
    assert [(part.key, part.amount_minor) for part in found] == totals.most_common(10)
    assert commands.reads <= before + 10
    assert len(reader.read_set.seen) < 3_000, "of 24,000 rows"


def sums_of_a_month(scope: Scope, month: date, product_id: str, amount_minor: int, id: str = "") -> Breakdown:
    return Breakdown(
        id=id or Breakdown.new_id(),
        created_at=MOMENT,
        updated_at=MOMENT,
        account_id=scope.account_id,
        kind="PRODUCT",
        grain="MONTH",
        starts_on=f"{month}",
        key=product_id,
        count=1,
        amount_minor=amount_minor,
    )


async def test_a_list_goes_on_among_those_that_tie(database: Database, scope: Scope) -> None:
    """The winner ties with another for the first place of one list, comes behind it there, and is second in the other list."""
    january, february = date(2026, 1, 1), date(2026, 2, 1)
    sums = [(january, "winner", 10), (january, "one", 10), (february, "winner", 9), (february, "other", 10)]
    rows = [sums_of_a_month(scope, *row, id=f"brk_{number:026}") for number, row in enumerate(sums)]
    await stored(database, *rows)
    found = await top_products(reader_of(database, scope), Period(january, date(2026, 2, 28)), 1)
    assert found == [Part("winner", 19, 2)]


@pytest.mark.parametrize("ties", [1, 3, 80])
async def test_a_ranking_shows_each_product_once_however_many_tie(database: Database, scope: Scope, ties: int) -> None:
    month = date(2026, 1, 1)
    amounts = [20 - place // ties for place in range(240)]
    await stored(database, *(sums_of_a_month(scope, month, f"prd_{place}", amount) for place, amount in enumerate(amounts)))
    ranking = Ranking(reader_of(database, scope), Span("MONTH", month, date(2026, 2, 1)))
    shown: list[Breakdown] = []
    while ranking.open:
        shown += await ranking.deepen(7)
    # Where amounts fall below zero, it is no longer gone on with.
    assert [row.amount_minor for row in shown] == amounts[: len(shown)]
    assert len({row.key for row in shown}) == len(shown) >= min(240, 20 * ties)


@pytest.mark.parametrize("first", [-1, 0, 51, 2**31 - 1])
async def test_a_number_of_products_out_of_range_is_refused(database: Database, scope: Scope, first: int) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await top_products(reader_of(database, scope), Period(FIRST, FIRST), first)
    assert [problem.path for problem in refused.value.fields] == ["first"]


async def test_nothing_sold_gives_no_products(database: Database, scope: Scope) -> None:
    period = Period(FIRST, FIRST + timedelta(days=100))
    assert await top_products(reader_of(database, scope), period, 10) == []
