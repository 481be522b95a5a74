"""A dashboard that is watched: run again by what it sums and by midnight, and by nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from datastore.database import Database
from gql.app import open_service
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import Api, Person, Watching
from tests.resolvers.histories import Dealer
from tests.resolvers.shop import make_product
from tests.resolvers.till import line, refund, sell, void

SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"
RECORD_EXPENSE = "mutation ($input: RecordExpenseInput!) { recordExpense(input: $input) { id } }"
UPDATE_EXPENSE = "mutation ($input: UpdateExpenseInput!) { updateExpense(input: $input) { id } }"
NOVEMBER = 'dashboard(from: "2026-11-01", to: "2026-11-30", compareWithPrevious: true)'


@pytest.fixture
async def owner(api: Api) -> Person:
    """Somebody with a business."""
    return await api.sign_up()


async def keep_an_expense(api: Api, owner: Person, database: Database, day: date) -> int:
    """Adds an expense of a day to the sums; how many minor units."""
    scope = await api.scope_of(owner)
    assert scope is not None
    trade = Dealer(scope, Random(f"{day}"), ["prd_1"]).trade(day, 1, sales=0, expenses=1)
    await trade.keep(database, scope)
    return trade.expenses[0].amount_minor


@pytest.mark.parametrize("outside", [date(2026, 9, 30), date(2026, 12, 1), date(2025, 11, 15), date(2027, 11, 1)])
async def test_what_happens_outside_its_periods_costs_a_watched_dashboard_nothing(
    api: Api, owner: Person, database: Database, commands: Commands, outside: date
) -> None:
    selection = "expenses previous { expenses } series(by: DAY) { expenses } expensesByCategory { count } topProducts { revenue }"
    async with api.watch(f"subscription {{ live {{ {NOVEMBER} {{ {selection} }} }} }}", caller=owner) as watching:
        await api.settle()
        runs, reads = api.engine.counters.runs, commands.reads
        scope = await api.scope_of(owner)
        assert scope is not None
        reads_of_the_check = commands.reads - reads
        await keep_an_expense(api, owner, database, outside)
        await api.settle()
        assert commands.reads == reads + 2 * reads_of_the_check, "signing in reads, the dashboard does not"
        assert (api.engine.counters.runs, len(watching.results)) == (runs, 1)
        await keep_an_expense(api, owner, database, date(2026, 10, 31))
        await watching.count(2)


async def test_another_business_costs_a_watched_dashboard_nothing(api: Api, owner: Person, database: Database) -> None:
    stranger = await api.sign_up()
    async with api.watch(f"subscription {{ live {{ {NOVEMBER} {{ expenses }} }} }}", caller=owner):
        await api.settle()
        runs = api.engine.counters.runs
        await keep_an_expense(api, stranger, database, date(2026, 11, 15))
        await api.settle()
        assert api.engine.counters.runs == runs


async def test_a_watched_dashboard_follows_the_till_and_the_books(api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, "Tea", price="10.00", stock=100)
    selection = "revenue refunds expenses profit salesCount topProducts { name quantity revenue } months: series(by: MONTH) { profit }"
    async with api.watch(f"subscription {{ live {{ {NOVEMBER} {{ {selection} }} }} }}", caller=owner) as watching:

        async def shows(revenue: str, refunds: str, expenses: str, profit: str, quantity: int) -> None:
            def is_shown() -> bool:
                found = watching.last["data"]["live"]["dashboard"]
                pieces = sum(product["quantity"] for product in found["topProducts"])
                figures = [found[name] for name in ("revenue", "refunds", "expenses", "profit")]
                assert found["months"] == [{"profit": found["profit"]}], "one snapshot for all of it"
                return (*figures, pieces) == (revenue, refunds, expenses, profit, quantity)

            await watching.until(is_shown)

        await sell(api, owner, line(tea, 3), soldAt="2026-11-02T10:00:00Z")
        await shows("30.00", "0.00", "0.00", "30.00", 3)
        second = await sell(api, owner, line(tea, 5), soldAt="2026-11-03T10:00:00Z")
        await shows("80.00", "0.00", "0.00", "80.00", 8)
        await void(api, owner, second)
        await shows("30.00", "0.00", "0.00", "30.00", 3)
        spent = await api.data(RECORD_EXPENSE, {"input": {"amount": "12.00", "tax": "2.00", "incurredOn": "2026-11-05"}}, caller=owner)
        await shows("30.00", "0.00", "12.00", "20.00", 3)
        await api.data(UPDATE_EXPENSE, {"input": {"id": spent["recordExpense"]["id"], "incurredOn": "2026-12-05"}}, caller=owner)
        await shows("30.00", "0.00", "0.00", "30.00", 3)


async def test_a_refund_counts_on_its_own_day(api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, "Tea", price="10.00", stock=100)
    sold = await sell(api, owner, line(tea, 3), soldAt="2020-02-03T10:00:00Z")
    await refund(api, owner, sold, (0, 1))
    then = await api.data('{ dashboard(from: "2020-02-03", to: "2020-02-03") { revenue refunds topProducts { quantity } } }', caller=owner)
    assert then["dashboard"] == {"revenue": "30.00", "refunds": "0.00", "topProducts": [{"quantity": 3}]}
    now = await api.data("{ dashboard(preset: LAST_7_DAYS) { revenue refunds topProducts { quantity } } }", caller=owner)
    assert now["dashboard"] == {"revenue": "0.00", "refunds": "10.00", "topProducts": []}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self, _zone: object = UTC) -> datetime:
        return self.moment


@asynccontextmanager
async def api_by(clock: Clock, services: Services) -> AsyncIterator[Api]:
    """The API of a process of its own that goes by a clock."""
    its_own = replace(services, clock=clock.now)
    async with open_service(its_own) as service:
        yield Api(service, its_own)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
async def test_today_becomes_the_new_day_at_midnight(
    services: Services, database: Database, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    today = datetime.now(UTC).date() + timedelta(days=1)  # whose midnight is ahead of us wherever that is
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    clock = Clock(midnight - timedelta(seconds=1))
    monkeypatch.setattr("gql.live.datetime", SimpleNamespace(now=clock.now))
    async with api_by(clock, services) as api:
        owner = await api.sign_up()
        await api.data(SETTINGS, {"input": {"timeZone": zone}}, caller=owner)
        spent = [await keep_an_expense(api, owner, database, today + timedelta(days=days)) for days in range(2)]
        document = "subscription { live { dashboard(preset: TODAY, compareWithPrevious: true) { from expenses previous { expenses } } } }"
        async with api.watch(document, caller=owner) as watching:
            assert shown(watching) == (f"{today}", spent[0])
            clock.moment += timedelta(seconds=2)
            await watching.count(2)
            assert shown(watching) == (f"{today + timedelta(days=1)}", spent[1])
            assert minor(watching.last["data"]["live"]["dashboard"]["previous"]["expenses"]) == spent[0]


async def test_days_that_are_given_do_not_wait_for_midnight(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    untils: list[datetime | None] = []
    set_alarm: Callable[..., None] = api.engine._set_alarm

    def noted(run: object, until: datetime | None) -> None:
        untils.append(until)
        set_alarm(run, until)

    monkeypatch.setattr(api.engine, "_set_alarm", noted)
    async with api.watch(f"subscription {{ live {{ {NOVEMBER} {{ revenue }} }} }}", caller=owner):
        assert untils == [None]


def shown(watching: Watching) -> tuple[str, int]:
    found = watching.last["data"]["live"]["dashboard"]
    return found["from"], minor(found["expenses"])


def minor(amount: str) -> int:
    return int(amount.replace(".", ""))
