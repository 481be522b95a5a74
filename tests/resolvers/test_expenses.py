import asyncio
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from datastore.database import Database
from resolvers.days import a_year_after
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.clocks import another_process
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.spending import (
    DELETE_EXPENSE,
    EXPENSE,
    RECORD_EXPENSE,
    SETTINGS,
    UPDATE_EXPENSE,
    Values,
    balance_of,
    listed,
    made,
    make_category,
    refusal,
    spend,
)

MISSING = "exp_01J0000000000000000000000A"
NO_CATEGORY = "ect_01J0000000000000000000000A"


def today() -> date:
    """In UTC, which new businesses begin with."""
    return datetime.now(UTC).date()


async def change(api: Api, owner: Person, expense: Values, **changes: Any) -> Values:
    return await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], **changes})


async def entries_of(api: Api, owner: Person) -> list[tuple[str, str, str]]:
    """Day, amount and description of every entry, in that order."""
    entries = await listed(api, owner, "transactions", "occurredOn amount description")
    return sorted((entry["occurredOn"], entry["amount"], entry["description"]) for entry in entries)


async def test_an_expense_is_recorded_with_its_entry_in_the_ledger(api: Api, owner: Person, database: Database) -> None:
    category = await make_category(api, owner)
    values = {"tax": "15.97", "vendor": "Landlord", "note": "March\nand heating", "incurredOn": "2026-03-01"}
    expense = await spend(api, owner, "100.00", categoryId=category["id"], **values)
    assert expense | values | {"amount": "100.00", "currency": "USD", "recurring": None} == expense
    assert expense["category"] == {"id": category["id"]}
    assert expense["recordedBy"] == {"userId": owner.user_id}
    [entry] = await listed(api, owner, "transactions", "kind amount occurredAt occurredOn description source { id }")
    assert entry == {
        "kind": "EXPENSE",
        "amount": "-100.00",
        "occurredAt": "2026-03-01T00:00:00.000Z",
        "occurredOn": "2026-03-01",
        "description": "Expense: Landlord",
        "source": {"id": expense["id"]},
    }
    assert await balance_of(api, owner) == "-100.00"
    assert (await verify(database)).findings == ()


async def test_an_expense_is_of_today_without_tax_where_nothing_else_is_said(api: Api, owner: Person) -> None:
    before = today()
    expense = await spend(api, owner, "9.00")
    assert expense["incurredOn"] in {before.isoformat(), today().isoformat()}
    assert (expense["tax"], expense["vendor"], expense["note"], expense["category"]) == ("0.00", "", "", None)
    [entry] = await listed(api, owner, "transactions", "occurredAt description")
    assert entry == {"occurredAt": expense["createdAt"], "description": "Expense"}


async def test_one_expense_is_found_by_its_id(api: Api, owner: Person, stranger: Person) -> None:
    expense = await spend(api, owner)
    document = f"query ($id: ID!) {{ expense(id: $id) {{ {EXPENSE} }} }}"
    assert await api.data(document, {"id": expense["id"]}, caller=owner) == {"expense": expense}
    assert await api.data(document, {"id": expense["id"]}, caller=stranger) == {"expense": None}
    assert await api.data(document, {"id": MISSING}, caller=owner) == {"expense": None}
    assert problems(await api.execute(document, {"id": "prd" + MISSING[3:]}, caller=owner)) == ["id"]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"amount": "0"}, "input.amount"),
        ({"amount": "-0.00"}, "input.amount"),
        ({"amount": "-1.00"}, "input.amount"),
        ({"amount": "1.001"}, "input.amount"),
        ({"amount": "10000000000000.01"}, "input.amount"),
        ({"amount": "9" * 30}, "input.amount"),
        ({"amount": 100}, "input.amount"),
        ({}, "input.amount"),
        ({"amount": "1.00", "tax": "1.01"}, "input.tax"),
        ({"amount": "1.00", "tax": "-0.01"}, "input.tax"),
        ({"amount": "1.00", "tax": None}, "input.tax"),
        ({"amount": "1.00", "incurredOn": "1900-01-01"}, "input.incurredOn"),
        ({"amount": "1.00", "incurredOn": "1999-12-31"}, "input.incurredOn"),
        ({"amount": "1.00", "incurredOn": "2200-01-01"}, "input.incurredOn"),
        ({"amount": "1.00", "incurredOn": "2026-02-29"}, "input.incurredOn"),
        ({"amount": "1.00", "incurredOn": "2026-02-01T00:00:00Z"}, "input.incurredOn"),
        ({"amount": "1.00", "incurredOn": 20260201}, "input.incurredOn"),
        ({"amount": "1.00", "vendor": "x" * 201}, "input.vendor"),
        ({"amount": "1.00", "vendor": "a\nb"}, "input.vendor"),
        ({"amount": "1.00", "note": "x" * 5001}, "input.note"),
        ({"amount": "1.00", "note": "\0"}, "input.note"),
        ({"amount": "1.00", "categoryId": "nonsense"}, "input.categoryId"),
        ({"amount": "1.00", "categoryId": MISSING}, "input.categoryId"),
        ({"amount": "1.00", "recurringId": NO_CATEGORY}, "input.recurringId"),
    ],
)
async def test_a_bad_expense_is_refused_and_nothing_changes_to_one(
    api: Api, owner: Person, nothing_written: Unchanged, values: Values, path: str
) -> None:
    expense = await spend(api, owner, "1.00")
    async with nothing_written():
        assert problems(await api.execute(RECORD_EXPENSE, {"input": values}, caller=owner)) == [path]
        if values:
            assert problems(await api.execute(UPDATE_EXPENSE, {"input": {"id": expense["id"], **values}}, caller=owner)) == [path]


@pytest.mark.parametrize("whose", ["nobody", "stranger"])
async def test_an_expense_is_booked_under_a_category_of_the_same_business_only(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, whose: str
) -> None:
    theirs = await make_category(api, stranger)
    expense = await spend(api, owner)
    category = {"nobody": NO_CATEGORY, "stranger": theirs["id"]}[whose]
    async with nothing_written():
        assert await refusal(api, owner, RECORD_EXPENSE, input={"amount": "1", "categoryId": category}) == ("NOT_FOUND", [])
        assert await refusal(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "categoryId": category}) == ("NOT_FOUND", [])


async def test_a_day_may_be_a_year_ahead_and_no_more(api: Api, owner: Person) -> None:
    latest = a_year_after(today())
    assert (await spend(api, owner, incurredOn=latest.isoformat()))["incurredOn"] == latest.isoformat()
    values = {"amount": "1", "incurredOn": (latest + timedelta(days=2)).isoformat()}
    assert await refusal(api, owner, RECORD_EXPENSE, input=values) == ("INVALID_INPUT", ["input.incurredOn"])


async def test_another_amount_or_day_reverses_the_entry_and_posts_anew(api: Api, owner: Person, database: Database) -> None:
    expense = await spend(api, owner, "100.00", vendor="Landlord", incurredOn="2026-02-28")
    await change(api, owner, expense, amount="90.00")
    await change(api, owner, expense, incurredOn="2026-03-01")
    assert await entries_of(api, owner) == [
        ("2026-02-28", "-100.00", "Expense: Landlord"),
        ("2026-02-28", "-90.00", "Expense: Landlord"),
        ("2026-02-28", "100.00", "Change of Expense: Landlord"),
        ("2026-02-28", "90.00", "Change of Expense: Landlord"),
        ("2026-03-01", "-90.00", "Expense: Landlord"),
    ]
    assert [await balance_of(api, owner, day) for day in ("2026-02-28", "2026-03-01")] == ["0.00", "-90.00"]
    assert (await verify(database)).findings == ()


async def test_what_no_entry_shows_changes_without_one(api: Api, owner: Person, database: Database) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    expense = await spend(api, owner, "100.00", vendor="Landlord", categoryId=rent["id"])
    changed = await change(api, owner, expense, tax="7.00", vendor="Grid", note="Meter 7", categoryId=power["id"])
    assert changed == expense | {
        "tax": "7.00",
        "vendor": "Grid",
        "note": "Meter 7",
        "category": {"id": power["id"]},
        "updatedAt": changed["updatedAt"],
    }
    assert len(await entries_of(api, owner)) == 1
    assert [
        (c["expenseCount"], c["spentThisMonth"]) for c in await listed(api, owner, "expenseCategories", "expenseCount spentThisMonth")
    ] == [
        (0, "0.00"),
        (1, "100.00"),
    ]
    assert (await change(api, owner, expense, categoryId=None))["category"] is None
    assert (await verify(database)).findings == ()


async def test_a_change_of_nothing_writes_nothing(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    expense = await spend(api, owner, "100.00", tax="1.00", vendor="Landlord")
    async with nothing_written():
        assert await change(api, owner, expense) == expense
        assert await change(api, owner, expense, amount="100.0", vendor=" Landlord ", incurredOn=expense["incurredOn"]) == expense


async def test_the_tax_stays_within_the_amount_whichever_of_them_changes(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    expense = await spend(api, owner, "100.00", tax="10.00")
    async with nothing_written():
        for values, path in (
            ({"amount": "9.99"}, "input.amount"),
            ({"tax": "100.01"}, "input.tax"),
            ({"amount": "5", "tax": "6"}, "input.tax"),
        ):
            assert await refusal(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], **values}) == ("INVALID_INPUT", [path])
    assert (await change(api, owner, expense, amount="5.00", tax="5.00"))["tax"] == "5.00"


async def test_a_deleted_expense_leaves_its_entry_reversed(api: Api, owner: Person, database: Database) -> None:
    category = await make_category(api, owner)
    expense = await spend(api, owner, "100.00", vendor="Landlord", categoryId=category["id"], incurredOn="2026-02-28")
    assert (await made(api, owner, DELETE_EXPENSE, id=expense["id"]))["id"] == expense["id"]
    assert await listed(api, owner, "expenses", "id") == []
    entries = await listed(api, owner, "transactions", "occurredOn amount description source { id }")
    assert sorted(entry["amount"] for entry in entries) == ["-100.00", "100.00"]
    assert {(entry["occurredOn"], entry["source"]) for entry in entries} == {("2026-02-28", None)}
    assert {entry["description"] for entry in entries} == {"Expense: Landlord", "Deletion of Expense: Landlord"}
    assert await refusal(api, owner, DELETE_EXPENSE, id=expense["id"]) == ("NOT_FOUND", [])
    assert await refusal(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "amount": "1"}) == ("NOT_FOUND", [])
    assert [category["expenseCount"] for category in await listed(api, owner, "expenseCategories", "expenseCount")] == [0]
    assert (await verify(database)).findings == ()


async def test_an_expense_of_somebody_else_is_not_there(api: Api, owner: Person, stranger: Person, nothing_written: Unchanged) -> None:
    theirs = await spend(api, stranger)
    async with nothing_written():
        assert await refusal(api, owner, DELETE_EXPENSE, id=theirs["id"]) == ("NOT_FOUND", [])
        assert await refusal(api, owner, UPDATE_EXPENSE, input={"id": theirs["id"], "amount": "1"}) == ("NOT_FOUND", [])


async def test_an_expense_that_is_changed_twice_at_once_is_counted_once(api: Api, owner: Person, database: Database) -> None:
    expense = await spend(api, owner, "100.00")
    changes: list[Values] = [{"amount": "1.00"}, {"amount": "2.00"}, {"incurredOn": "2026-01-31"}, {"tax": "0.50"}, {"amount": "3.00"}]
    answers = await asyncio.gather(
        *(api.execute(UPDATE_EXPENSE, {"input": {"id": expense["id"], **values}}, caller=owner) for values in changes)
    )
    assert all("errors" not in answer for answer in answers)
    [left] = await listed(api, owner, "expenses", "amount incurredOn tax")
    assert left["amount"] in {"1.00", "2.00", "3.00"}
    assert (left["incurredOn"], left["tax"]) == ("2026-01-31", "0.50")
    assert await balance_of(api, owner) == f"-{left['amount']}"
    assert (await verify(database)).findings == ()


async def test_two_processes_that_change_the_same_expense_at_once_keep_true_books(
    api: Api, owner: Person, services: Services, database: Database
) -> None:
    other = another_process(services)
    expense = await spend(api, owner, "100.00")
    answers = await asyncio.gather(
        *(change(each, owner, expense, amount=f"{number}.00") for number in range(1, 5) for each in (api, other)),
        *(spend(each, owner, "1.00") for _ in range(4) for each in (api, other)),
    )
    assert len(answers) == 16
    amounts = [found["amount"] for found in await listed(api, owner, "expenses", "amount")]
    assert await balance_of(api, owner) == f"-{sum(map(float, amounts)):.2f}"
    assert (await verify(database)).findings == ()


async def test_an_expense_that_is_changed_and_deleted_at_once_leaves_true_books(api: Api, owner: Person, database: Database) -> None:
    for _ in range(3):
        expense = await spend(api, owner, "100.00")
        await asyncio.gather(
            api.execute(UPDATE_EXPENSE, {"input": {"id": expense["id"], "amount": "1.00"}}, caller=owner),
            *(api.execute(DELETE_EXPENSE, {"id": expense["id"]}, caller=owner) for _ in range(2)),
        )
    assert await listed(api, owner, "expenses", "id") == []
    assert await balance_of(api, owner) == "0.00"
    assert (await verify(database)).findings == ()


async def test_expenses_are_narrowed_by_days_and_category_and_words(api: Api, owner: Person) -> None:
    rent = await make_category(api, owner)
    for day, vendor, note, category in (
        ("01", "Landlord", "Rent of March", rent["id"]),
        ("02", "Café Müller", "", None),
        ("03", "Landlord", "Key", rent["id"]),
    ):
        await spend(api, owner, vendor=vendor, note=note, categoryId=category, incurredOn=f"2026-03-{day}")

    async def found(arguments: str) -> list[str]:
        return [expense["incurredOn"][-2:] for expense in await listed(api, owner, "expenses", "incurredOn", arguments)]

    assert await found("first: 10") == ["03", "02", "01"]
    assert await found('from: "2026-03-02"') == ["03", "02"]
    assert await found('from: "2026-03-01", to: "2026-03-02"') == ["02", "01"]
    assert await found(f'categoryId: "{rent["id"]}"') == ["03", "01"]
    assert await found(f'categoryId: "{rent["id"]}", to: "2026-03-02"') == ["01"]
    assert await found(f'categoryId: "{NO_CATEGORY}"') == []
    assert await found('search: "land"') == ["03", "01"]
    assert await found('search: "land march"') == ["01"]
    assert await found('search: "MULLER cafe"') == ["02"]
    assert await found('search: "land", from: "2026-03-02"') == ["03"]
    assert await found('to: "1900-01-01"') == []


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('from: "2026-03-02", to: "2026-03-01"', "to"),
        (f'search: "rent", categoryId: "{NO_CATEGORY}"', "search"),
        ('search: ""', "search"),
        ('categoryId: "nonsense"', "categoryId"),
        ("first: 0", "first"),
        ("first: 101", "first"),
        ('after: "x"', "after"),
    ],
)
async def test_a_bad_list_is_refused_by_name(api: Api, owner: Person, arguments: str, path: str) -> None:
    assert problems(await api.execute(f"{{ expenses({arguments}) {{ nodes {{ id }} }} }}", caller=owner)) == [path]


async def test_the_day_of_an_expense_stays_when_the_time_zone_changes(api: Api, owner: Person, database: Database) -> None:
    await made(api, owner, SETTINGS, input={"timeZone": "Pacific/Kiritimati"})
    expense = await spend(api, owner, "5.00")
    await made(api, owner, SETTINGS, input={"timeZone": "Pacific/Niue"})
    await change(api, owner, expense, amount="6.00")
    [entry] = await listed(api, owner, "expenses", "amount incurredOn")
    assert entry == {"amount": "6.00", "incurredOn": expense["incurredOn"]}
    assert (await spend(api, owner, "5.00"))["incurredOn"] < expense["incurredOn"]
    assert (await verify(database)).findings == ()


async def test_an_expense_fixes_the_currency_and_follows_its_decimals(api: Api, owner: Person) -> None:
    await made(api, owner, SETTINGS, input={"currency": "KWD"})
    assert (await spend(api, owner, "1.005"))["amount"] == "1.005"
    assert await refusal(api, owner, SETTINGS, input={"currency": "EUR"}) == ("CONFLICT", [])


async def test_a_total_beyond_64_bits_is_refused_and_nothing_is_lost(
    api: Api, owner: Person, database: Database, nothing_written: Unchanged
) -> None:
    expense = await spend(api, owner, "10000000000000.00")
    # As if 9,222 more of these had been recorded.
    for table, column in (("summaries", "expenses_minor"), ("breakdowns", "amount_minor")):
        update = {"q": {"account_id": owner.account_id}, "u": {"$set": {column: 2**63 - 1}}, "multi": True}
        await database.command({"update": table, "updates": [update]})
    async with nothing_written():
        assert (await refusal(api, owner, RECORD_EXPENSE, input={"amount": "0.01"}))[0] == "INVALID_INPUT"
    assert (await change(api, owner, expense, amount="9999999999999.99"))["amount"] == "9999999999999.99"


async def test_an_idempotency_key_records_once(api: Api, owner: Person) -> None:
    values = {"input": {"amount": "5.00"}}
    answers = await asyncio.gather(*(api.execute(RECORD_EXPENSE, values, caller=owner, idempotency_key="rent-3") for _ in range(4)))
    assert all(answer["data"] == answers[0]["data"] for answer in answers)
    assert await balance_of(api, owner) == "-5.00"


@pytest.mark.slow
async def test_the_books_add_up_after_random_changes(api: Api, owner: Person, database: Database) -> None:
    random = Random(7)
    categories = [None, *[(await make_category(api, owner, name))["id"] for name in ("Rent", "Power")]]
    left: dict[str, Values] = {}
    for _ in range(60):
        values = {
            "amount": f"{random.randint(1, 500) / 100:.2f}",
            "incurredOn": random.choice(("2026-01-31", "2026-02-01", "2026-02-02")),
            "categoryId": random.choice(categories),
        }
        if len(left) < 3 or random.random() < 0.4:
            expense = await spend(api, owner, **values)
            left[expense["id"]] = expense
        elif random.random() < 0.7:
            id = random.choice(sorted(left))
            chosen = random.sample(sorted(values), random.randint(1, 3))
            left[id] = await change(api, owner, left[id], **{name: values[name] for name in chosen})
        else:
            await made(api, owner, DELETE_EXPENSE, id=left.popitem()[0])
    total = sum(round(100 * float(expense["amount"])) for expense in left.values())
    assert await balance_of(api, owner) == f"-{total // 100}.{total % 100:02}"
    assert (await verify(database)).findings == ()
    assert len((await contents(database))["expenses"]) == len(left)


@pytest.mark.slow
async def test_an_expense_that_was_changed_very_often_can_still_be_changed(api: Api, owner: Person, database: Database) -> None:
    """All changes of a document bear the same time, and two documents change it by turns."""
    spent = await spend(api, owner)

    def changes(first: int) -> str:
        fields = (f'a{n}: updateExpense(input: {{id: "{spent["id"]}", amount: "{n}.00"}}) {{ amount }}' for n in range(first, first + 60))
        return f"mutation {{ {' '.join(fields)} }}"

    answers = await asyncio.gather(*(api.execute(changes(first), caller=owner) for first in (1, 1000)))
    assert [answer.get("errors") for answer in answers] == [None, None]
    await made(api, owner, UPDATE_EXPENSE, input={"id": spent["id"], "amount": "5.00"})
    assert await balance_of(api, owner) == "-5.00"
    await made(api, owner, DELETE_EXPENSE, id=spent["id"])
    assert await balance_of(api, owner) == "0.00"
    assert (await verify(database)).findings == ()
