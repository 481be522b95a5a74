import asyncio
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.versions import BEGINNING
from gql.service import LivePlan
from gql.wire import GraphQLParams
from resolvers.bookings import book_all_due
from resolvers.services import Services
from resolvers.verify import verify
from tests.commands import Commands
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.resolvers.clocks import Clock, clocked
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.spending import (
    CREATE_RECURRING,
    DELETE_EXPENSE,
    DELETE_RECURRING,
    RECURRING,
    SETTINGS,
    UPDATE_EXPENSE,
    UPDATE_RECURRING,
    Values,
    balance_of,
    listed,
    made,
    make_category,
    recur,
    refusal,
    spend,
)

MISSING = "rec_01J0000000000000000000000A"
NO_CATEGORY = "ect_01J0000000000000000000000A"
NOON = "2027-01-31T12:00:00"

Clocked = tuple[Api, Clock, Person]


@pytest.fixture
async def shop(database: Database, services: Services) -> Clocked:
    """A business in UTC at noon of 31 January 2027."""
    api, clock = clocked(services, NOON)
    return api, clock, await api.sign_up()


async def days(api: Api, owner: Person) -> list[str]:
    """The days of all expenses, in order."""
    return sorted(expense["incurredOn"] for expense in await listed(api, owner, "expenses", "incurredOn"))


async def next_days(api: Api, owner: Person, arguments: str = "first: 100") -> list[str | None]:
    return [each["nextOn"] for each in await listed(api, owner, "recurringExpenses", "nextOn", arguments)]


async def test_what_is_due_already_is_booked_at_once(shop: Clocked, database: Database) -> None:
    api, _, owner = shop
    category = await make_category(api, owner)
    values = {"tax": "15.97", "vendor": "Landlord", "note": "Rent", "categoryId": category["id"]}
    recurring = await recur(api, owner, "100.00", startsOn="2026-11-30", **values)
    assert recurring["category"] == {"id": values.pop("categoryId")}
    assert recurring["recordedBy"] == {"userId": owner.user_id}
    expected = {
        "amount": "100.00",
        "currency": "USD",
        "interval": "MONTHLY",
        "startsOn": "2026-11-30",
        "endsOn": None,
        "nextOn": "2027-02-28",
    }
    assert recurring == recurring | values | expected
    expenses = await listed(
        api, owner, "expenses", "amount tax vendor note incurredOn category { id } recurring { id } recordedBy { userId }"
    )
    assert [expense["incurredOn"] for expense in expenses] == ["2027-01-30", "2026-12-30", "2026-11-30"]
    assert expenses[0] == {
        "amount": "100.00",
        "tax": "15.97",
        "vendor": "Landlord",
        "note": "Rent",
        "incurredOn": "2027-01-30",
        "category": {"id": category["id"]},
        "recurring": {"id": recurring["id"]},
        "recordedBy": {"userId": owner.user_id},
    }
    assert await balance_of(api, owner) == "-300.00"
    assert (await verify(database)).findings == ()


async def test_each_day_is_booked_once_it_has_come_and_short_months_shorten_no_other(shop: Clocked, database: Database) -> None:
    api, clock, owner = shop
    await recur(api, owner)
    for moment, expected in (
        ("2027-02-27T23:59:59", ["2027-01-31"]),
        ("2027-02-28T00:00:00", ["2027-01-31", "2027-02-28"]),
        ("2027-02-28T00:01:00", ["2027-01-31", "2027-02-28"]),
        ("2027-05-31T00:00:00", ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]),
    ):
        clock.set(moment)
        await book_all_due(api.services)
        assert await days(api, owner) == expected
    assert await next_days(api, owner) == ["2027-06-30"]
    assert (await verify(database)).findings == ()


async def test_a_day_begins_at_the_midnight_of_the_business(shop: Clocked) -> None:
    api, clock, owner = shop
    await made(api, owner, SETTINGS, input={"timeZone": "America/New_York"})
    await recur(api, owner, startsOn="2027-02-01")
    for moment, expected in (("2027-02-01T04:59:59", []), ("2027-02-01T05:00:00", ["2027-02-01"])):
        clock.set(moment)
        await book_all_due(api.services)
        assert await days(api, owner) == expected
    await made(api, owner, SETTINGS, input={"timeZone": "Pacific/Kiritimati"})
    clock.set("2027-02-28T10:00:00")
    await book_all_due(api.services)
    assert await days(api, owner) == ["2027-02-01", "2027-03-01"]


async def test_what_starts_later_is_booked_later(shop: Clocked) -> None:
    api, clock, owner = shop
    assert (await recur(api, owner, interval="WEEKLY", startsOn="2027-02-05"))["nextOn"] == "2027-02-05"
    assert await book_all_due(api.services) == 0
    clock.set("2027-02-12T00:00:00")
    assert await book_all_due(api.services) == 1
    assert await days(api, owner) == ["2027-02-05", "2027-02-12"]


async def test_it_ends_with_its_last_day(shop: Clocked) -> None:
    api, clock, owner = shop
    await recur(api, owner, endsOn="2027-03-30")
    clock.set("2027-06-01T00:00:00")
    await book_all_due(api.services)
    assert await days(api, owner) == ["2027-01-31", "2027-02-28"]
    assert await next_days(api, owner) == []
    assert await next_days(api, owner, "ended: true") == [None]
    assert await book_all_due(api.services) == 0


async def test_what_goes_on_is_listed_by_what_comes_next(shop: Clocked) -> None:
    api, _, owner = shop
    await recur(api, owner, startsOn="2027-05-01")
    await recur(api, owner, startsOn="2027-03-01")
    await recur(api, owner, endsOn="2027-01-31")
    assert await next_days(api, owner) == ["2027-03-01", "2027-05-01"]
    page = (await api.data("{ recurringExpenses(first: 1) { nodes { nextOn } pageInfo { hasNextPage endCursor } } }", caller=owner))[
        "recurringExpenses"
    ]
    assert page["pageInfo"]["hasNextPage"]
    assert await next_days(api, owner, f'after: "{page["pageInfo"]["endCursor"]}"') == ["2027-05-01"]
    assert await next_days(api, owner, "ended: true") == [None]


async def test_hundreds_of_missed_days_are_all_booked(shop: Clocked, database: Database) -> None:
    api, _, owner = shop
    recurring = await recur(api, owner, "1.00", interval="WEEKLY", startsOn="2022-01-03")
    assert recurring["nextOn"] == "2023-12-04"
    assert await book_all_due(api.services) == 1
    assert await balance_of(api, owner) == "-265.00"
    assert await next_days(api, owner) == ["2027-02-01"]
    assert (await verify(database)).findings == ()


async def test_processes_that_book_at_the_same_time_book_nothing_twice(shop: Clocked, services: Services, database: Database) -> None:
    api, _, owner = shop
    for number in range(4):
        await recur(api, owner, f"{number + 1}.00", startsOn="2027-02-01", interval="WEEKLY")
    processes = [clocked(services, "2027-03-01T00:00:00")[0].services for _ in range(3)]
    await asyncio.gather(*(book_all_due(process) for process in processes))
    assert await days(api, owner) == sorted(["2027-02-01", "2027-02-08", "2027-02-15", "2027-02-22", "2027-03-01"] * 4)
    assert (await verify(database)).findings == ()


@pytest.mark.slow
async def test_what_is_cut_off_while_it_books_is_booked_the_next_time(shop: Clocked, database: Database, commands: Commands) -> None:
    api, clock, owner = shop
    await recur(api, owner, "1.00", startsOn="2027-02-01", interval="WEEKLY")
    clock.set("2030-02-01T00:00:00")
    for inserts in (1, 2, 30, 101, 110):
        before = commands.counts["insert"]
        booking = asyncio.create_task(book_all_due(api.services))
        async with asyncio.timeout(LIMIT_SECONDS):
            while commands.counts["insert"] < before + inserts:
                await asyncio.sleep(0)
        booking.cancel()
        await asyncio.wait([booking])
        assert booking.cancelled()
        assert (await verify(database)).findings == ()
    await book_all_due(api.services)
    assert await balance_of(api, owner) == "-157.00"
    assert (await verify(database)).findings == ()


async def test_an_expense_that_was_booked_may_be_moved_or_deleted_and_is_not_booked_again(shop: Clocked, database: Database) -> None:
    api, clock, owner = shop
    await recur(api, owner, startsOn="2026-12-31")
    december, january = sorted(await listed(api, owner, "expenses", "id incurredOn"), key=lambda each: each["incurredOn"])
    await made(api, owner, UPDATE_EXPENSE, input={"id": december["id"], "incurredOn": "2027-02-28"})
    await made(api, owner, DELETE_EXPENSE, id=january["id"])
    clock.set("2027-02-28T00:00:00")
    await book_all_due(api.services)
    assert await days(api, owner) == ["2027-02-28", "2027-02-28"]
    assert (await verify(database)).findings == ()


async def test_a_change_counts_from_the_next_day_on(shop: Clocked, database: Database) -> None:
    api, clock, owner = shop
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    recurring = await recur(api, owner, "100.00", categoryId=rent["id"], vendor="Landlord")
    changes = {"amount": "110.00", "tax": "10.00", "vendor": "Landlady", "note": "More", "categoryId": power["id"]}
    changed = await made(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], **changes})
    assert changed | {name: value for name, value in changes.items() if name != "categoryId"} == changed
    clock.set("2027-02-28T00:00:00")
    await book_all_due(api.services)
    found = await listed(api, owner, "expenses", "amount tax vendor category { name }")
    assert found == [
        {"amount": "110.00", "tax": "10.00", "vendor": "Landlady", "category": {"name": "Power"}},
        {"amount": "100.00", "tax": "0.00", "vendor": "Landlord", "category": {"name": "Rent"}},
    ]
    assert (await verify(database)).findings == ()


async def test_an_end_may_be_moved_but_not_before_what_was_booked(shop: Clocked, nothing_written: Unchanged) -> None:
    api, clock, owner = shop
    recurring = await recur(api, owner, startsOn="2026-11-30")

    async def end(day: str | None) -> str | None:
        changed = await made(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "endsOn": day})
        assert changed["endsOn"] == day
        found: str | None = changed["nextOn"]
        return found

    async with nothing_written():
        refused = await refusal(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "endsOn": "2027-01-29"})
        assert refused == ("INVALID_INPUT", ["input.endsOn"])
    assert await end("2027-01-30") is None
    async with nothing_written():
        refused = await refusal(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "endsOn": "2027-01-29"})
        assert refused == ("INVALID_INPUT", ["input.endsOn"])
    assert await end("2027-02-27") is None
    assert await end("2027-02-28") == "2027-02-28"
    clock.set("2027-04-15T00:00:00")
    assert await end("2027-02-28") is None  # with the one day that was due before the end
    assert await days(api, owner) == ["2026-11-30", "2026-12-30", "2027-01-30", "2027-02-28"]
    assert await end("2027-03-31") is None
    assert await end(None) == "2027-04-30"
    assert await days(api, owner) == ["2026-11-30", "2026-12-30", "2027-01-30", "2027-02-28", "2027-03-30"]


async def test_what_has_booked_nothing_yet_may_end_on_its_first_day_and_no_earlier(shop: Clocked) -> None:
    api, _, owner = shop
    recurring = await recur(api, owner, startsOn="2027-02-05")
    refused = await refusal(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "endsOn": "2027-02-04"})
    assert refused == ("INVALID_INPUT", ["input.endsOn"])
    changed = await made(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "endsOn": "2027-02-05"})
    assert changed["nextOn"] == "2027-02-05"


async def test_a_deleted_one_books_no_more_and_leaves_what_it_booked(shop: Clocked, database: Database) -> None:
    api, clock, owner = shop
    recurring = await recur(api, owner)
    assert (await made(api, owner, DELETE_RECURRING, id=recurring["id"]))["id"] == recurring["id"]
    clock.set("2028-01-31T00:00:00")
    assert await book_all_due(api.services) == 0
    assert await listed(api, owner, "expenses", "incurredOn recurring { id }") == [{"incurredOn": "2027-01-31", "recurring": None}]
    assert await refusal(api, owner, DELETE_RECURRING, id=recurring["id"]) == ("NOT_FOUND", [])
    assert (await verify(database)).findings == ()


async def test_it_knows_the_expenses_that_it_booked(shop: Clocked) -> None:
    api, _, owner = shop
    await recur(api, owner, interval="QUARTERLY", startsOn="2026-08-31")
    await spend(api, owner)
    [found] = await listed(api, owner, "recurringExpenses", "expenses(first: 2) { nodes { incurredOn } pageInfo { hasNextPage } }")
    assert found["expenses"] == {"nodes": [{"incurredOn": "2026-11-30"}, {"incurredOn": "2026-08-31"}], "pageInfo": {"hasNextPage": False}}


async def test_one_is_found_by_its_id(shop: Clocked, api: Api, stranger: Person) -> None:
    shop_api, _, owner = shop
    recurring = await recur(shop_api, owner)
    document = f"query ($id: ID!) {{ recurringExpense(id: $id) {{ {RECURRING} }} }}"
    assert await shop_api.data(document, {"id": recurring["id"]}, caller=owner) == {"recurringExpense": recurring}
    assert await api.data(document, {"id": recurring["id"]}, caller=stranger) == {"recurringExpense": None}
    assert await shop_api.data(document, {"id": MISSING}, caller=owner) == {"recurringExpense": None}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"amount": "0"}, "input.amount"),
        ({"amount": "-1"}, "input.amount"),
        ({"amount": "10000000000000.01"}, "input.amount"),
        ({"tax": "-1"}, "input.tax"),
        ({"tax": "1.01"}, "input.tax"),
        ({"interval": "DAILY"}, "input.interval"),
        ({"interval": None}, "input.interval"),
        ({"startsOn": "1900-01-01"}, "input.startsOn"),
        ({"startsOn": "2028-02-01"}, "input.startsOn"),
        ({"startsOn": "2200-01-01"}, "input.startsOn"),
        ({"endsOn": "2027-01-30"}, "input.endsOn"),
        ({"endsOn": "2100-01-01"}, "input.endsOn"),
        ({"endsOn": "2027-02-29"}, "input.endsOn"),
        ({"vendor": "\0"}, "input.vendor"),
        ({"note": "x" * 5001}, "input.note"),
        ({"categoryId": MISSING}, "input.categoryId"),
    ],
)
async def test_a_bad_one_is_refused(shop: Clocked, nothing_written: Unchanged, values: Values, path: str) -> None:
    api, _, owner = shop
    recurring = await recur(api, owner, "1.00")
    async with nothing_written():
        new = {"amount": "1.00", "interval": "MONTHLY", **values}
        assert problems(await api.execute(CREATE_RECURRING, {"input": new}, caller=owner)) == [path]
        if not values.keys() & {"interval", "startsOn"}:
            assert problems(await api.execute(UPDATE_RECURRING, {"input": {"id": recurring["id"], **values}}, caller=owner)) == [path]


@pytest.mark.parametrize("whose", ["nobody", "stranger"])
async def test_it_is_booked_under_a_category_of_the_same_business_only(shop: Clocked, nothing_written: Unchanged, whose: str) -> None:
    api, _, owner = shop
    theirs = await make_category(api, await api.sign_up())
    recurring = await recur(api, owner)
    category = {"nobody": NO_CATEGORY, "stranger": theirs["id"]}[whose]
    async with nothing_written():
        new = {"amount": "1", "interval": "WEEKLY", "categoryId": category}
        assert await refusal(api, owner, CREATE_RECURRING, input=new) == ("NOT_FOUND", [])
        assert await refusal(api, owner, UPDATE_RECURRING, input={"id": recurring["id"], "categoryId": category}) == ("NOT_FOUND", [])


async def test_one_of_somebody_else_is_not_there(shop: Clocked, nothing_written: Unchanged) -> None:
    api, _, owner = shop
    theirs = await recur(api, await api.sign_up())
    async with nothing_written():
        assert await refusal(api, owner, DELETE_RECURRING, id=theirs["id"]) == ("NOT_FOUND", [])
        assert await refusal(api, owner, UPDATE_RECURRING, input={"id": theirs["id"], "amount": "1"}) == ("NOT_FOUND", [])


async def test_there_are_at_most_500(shop: Clocked, database: Database) -> None:
    api, _, owner = shop
    await recur(api, owner, startsOn="2027-03-01")
    [first] = (await contents(database))["recurring_expenses"]
    more = [first | {"_id": tables.RecurringExpense.new_id()} for _ in range(499)]
    await database.command({"insert": "recurring_expenses", "documents": more})
    assert await refusal(api, owner, CREATE_RECURRING, input={"amount": "1", "interval": "WEEKLY"}) == ("CONFLICT", [])


async def test_what_was_spent_this_month_is_read_anew_at_midnight_of_its_last_day(shop: Clocked) -> None:
    api, clock, owner = shop
    await made(api, owner, SETTINGS, input={"timeZone": "Europe/Berlin"})
    category = await make_category(api, owner)
    await recur(api, owner, categoryId=category["id"])
    params = GraphQLParams("subscription { live { expenseCategories { nodes { spentThisMonth } } } }", None)
    plan = LivePlan.of(api.service.prepare(params), params, await api.scope_of(owner))
    outcomes: list[Any] = []
    for moment in ("2027-01-31T22:59:59", "2027-01-31T23:00:00"):
        clock.set(moment)
        outcomes.append(await api.service.execute_live(plan, BEGINNING))
    assert [(b'"100.00"' in outcome.body, f"{outcome.until:%m-%d %H:%M}") for outcome in outcomes] == [
        (True, "01-31 23:00"),
        (False, "02-01 23:00"),
    ]
