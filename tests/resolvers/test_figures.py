"""What came and went in a period, read from the rows that sum it up."""

import asyncio
from datetime import date, timedelta
from random import Random

import pytest

from datastore.database import Database
from datastore.schema import Breakdown
from datastore.scope import Scope
from datastore.writing import Writer
from resolvers.figures import Figures, Kind, LazyFigures, Part, figures_of_parts, parts_of
from resolvers.periods import Division, Period, covering_divided, divided
from resolvers.summaries import Tallies
from tests.commands import Commands
from tests.datastore.samples import MOMENT, reader_of, stored, write
from tests.resolvers.histories import Dealer

TEN_YEARS = Period(date(2016, 1, 2), date(2025, 12, 30))


def test_profit_is_what_is_left_without_any_tax() -> None:
    figures = Figures(
        sales_minor=12_000, sales_tax_minor=2_000, refunds_minor=600, refunds_tax_minor=100, expenses_minor=2_400, expenses_tax_minor=400
    )
    assert figures.tax_minor == 1_900
    assert figures.profit_minor == 10_000 - 500 - 2_000


@pytest.mark.parametrize(
    ("minor", "count", "average"),
    [(0, 0, None), (0, 3, 0), (5, 2, 2), (15, 2, 8), (10, 3, 3), (2**62 + 1, 2**61, 2), (10**18 + 1, 3, 10**18 // 3 + 1)],
)
def test_the_average_is_exact_and_rounded_half_to_even(minor: int, count: int, average: int | None) -> None:
    assert Figures(sales_minor=minor, sales_count=count).average_sale_minor == average


async def test_figures_asked_for_at_once_are_read_once(database: Database, scope: Scope, commands: Commands) -> None:
    trade = Dealer(scope, Random(1), ["prd_1"]).trade(TEN_YEARS.first, 300, sales=5)
    await trade.keep(database, scope)
    figures, reader, before = LazyFigures(TEN_YEARS), reader_of(database, scope), commands.reads
    first, *others = await asyncio.gather(*(figures.read(reader) for _ in range(7)))
    assert commands.reads == before + 1
    assert first.sales_count == 5
    assert all(other is first for other in others)


@pytest.mark.slow
async def test_ten_years_of_figures_read_a_row_for_each_day_or_month_at_most(database: Database, scope: Scope, commands: Commands) -> None:
    dealer = Dealer(scope, Random(2), ["prd_1"])
    days = [TEN_YEARS.first + timedelta(days=number) for number in range(TEN_YEARS.days)]
    for start in range(0, len(days), 500):
        trade = dealer.trade(days[start], 1, sales=0)
        trade.expenses += [dealer.expense(day) for day in days[start : start + 500]]
        await trade.keep(database, scope)
    for by, rows in ((None, 178), (Division.MONTH, 178), (Division.WEEK, 3_651), (Division.DAY, 3_651)):
        reader, before = reader_of(database, scope), commands.reads
        if by is None:
            figures = [await LazyFigures(TEN_YEARS).read(reader)]
        else:
            figures = list(await figures_of_parts(reader, divided(TEN_YEARS, by), covering_divided(TEN_YEARS, by)))
        assert all(sums.expenses_minor for sums in figures)
        assert (len(reader.read_set.seen), commands.reads) == (rows, before + 1), by


@pytest.mark.parametrize(("kind", "keys"), [("PAYMENT_METHOD", 5), ("HOUR", 24), ("EXPENSE_CATEGORY", 50), ("EXPENSE_CATEGORY", 260)])
async def test_parts_are_summed_up_however_many_there_are(
    database: Database, scope: Scope, commands: Commands, kind: Kind, keys: int
) -> None:
    months = [date(2025, month, 1) for month in range(1, 13)]
    await stored(
        database,
        *(
            Breakdown(
                id=Breakdown.new_id(),
                created_at=MOMENT,
                updated_at=MOMENT,
                account_id=scope.account_id,
                kind=kind,
                grain="MONTH",
                starts_on=f"{month}",
                key=f"{key:03}",
                count=1,
                amount_minor=key,
            )
            for month in months
            for key in range(1, keys + 1)
        ),
    )
    reader, before = reader_of(database, scope), commands.reads
    parts = await parts_of(reader, kind, Period(months[0], date(2025, 12, 31)))
    assert parts == [Part(f"{key:03}", 12 * key, 12) for key in range(keys, 0, -1)]
    assert len(reader.read_set.seen) == 12 * keys
    assert commands.reads == before + (1 if keys <= 50 else 1 + 6 * 5)


async def test_parts_that_came_to_nothing_are_left_out(database: Database, scope: Scope) -> None:
    dealer = Dealer(scope, Random(3), ["prd_1"], categories=["ect_1"])
    trade = dealer.trade(date(2025, 1, 1), 1, sales=0, expenses=1)
    await trade.keep(database, scope)
    period = Period(date(2025, 1, 1), date(2025, 1, 31))
    assert [part.key for part in await parts_of(reader_of(database, scope), "EXPENSE_CATEGORY", period)] == ["ect_1"]
    tallies = Tallies()
    tallies.expense(trade.expenses[0], sign=-1)

    async def take_back(writer: Writer) -> None:
        await tallies.keep(writer)

    await write(database, scope, take_back)
    assert await parts_of(reader_of(database, scope), "EXPENSE_CATEGORY", period) == []
