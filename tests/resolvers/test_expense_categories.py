import asyncio
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from resolvers.expense_categories import MOST_MOVED
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.spending import (
    CATEGORY,
    CREATE_CATEGORY,
    DELETE_EXPENSE,
    RECORD_EXPENSE,
    SETTINGS,
    UPDATE_EXPENSE,
    Values,
    listed,
    made,
    make_category,
    recur,
    refusal,
    spend,
)

UPDATE = f"mutation ($input: UpdateExpenseCategoryInput!) {{ made: updateExpenseCategory(input: $input) {{ {CATEGORY} }} }}"
DELETE = "mutation ($id: ID!, $to: ID) { made: deleteExpenseCategory(id: $id, moveExpensesTo: $to) { id name expenseCount } }"
MISSING = "ect_01J0000000000000000000000A"


async def names(api: Api, owner: Person) -> list[str]:
    return [category["name"] for category in await listed(api, owner, "expenseCategories", "name")]


async def counted(api: Api, owner: Person) -> dict[str, int]:
    categories = await listed(api, owner, "expenseCategories", "name expenseCount expenses(first: 100) { nodes { id } }")
    assert all(len(category["expenses"]["nodes"]) == category["expenseCount"] for category in categories)
    return {category["name"]: category["expenseCount"] for category in categories}


async def spent(api: Api, owner: Person) -> dict[str, str]:
    return {
        category["name"]: category["spentThisMonth"] for category in await listed(api, owner, "expenseCategories", "name spentThisMonth")
    }


async def test_categories_are_listed_in_the_order_they_were_made(api: Api, owner: Person) -> None:
    categories = [await make_category(api, owner, name) for name in ("Rent", "Power", "Cleaning")]
    assert await names(api, owner) == ["Rent", "Power", "Cleaning"]
    assert [category["position"] for category in categories] == [1, 2, 3]
    assert categories[0] | {"description": "", "expenseCount": 0, "monthlyBudget": None, "spentThisMonth": "0.00"} == categories[0]


async def test_one_category_is_found_by_its_id(api: Api, owner: Person, stranger: Person) -> None:
    category = await make_category(api, owner, description="Of the shop\nand the store", monthlyBudget="900")
    document = f"query ($id: ID!) {{ expenseCategory(id: $id) {{ {CATEGORY} }} }}"
    assert await api.data(document, {"id": category["id"]}, caller=owner) == {"expenseCategory": category | {"monthlyBudget": "900.00"}}
    assert await api.data(document, {"id": category["id"]}, caller=stranger) == {"expenseCategory": None}
    assert await api.data(document, {"id": MISSING}, caller=owner) == {"expenseCategory": None}
    assert problems(await api.execute(document, {"id": "prd" + MISSING[3:]}, caller=owner)) == ["id"]


async def test_a_category_changes_by_what_is_sent(api: Api, owner: Person) -> None:
    category = await make_category(api, owner, description="Of the shop", monthlyBudget="900.00")
    changed = await made(api, owner, UPDATE, input={"id": category["id"], "name": "Rents"})
    assert changed == category | {"name": "Rents", "updatedAt": changed["updatedAt"]}
    changed = await made(api, owner, UPDATE, input={"id": category["id"], "monthlyBudget": "0"})
    assert (changed["monthlyBudget"], changed["description"]) == ("0.00", "Of the shop")
    assert (await made(api, owner, UPDATE, input={"id": category["id"], "monthlyBudget": None}))["monthlyBudget"] is None


async def test_a_name_is_taken_once_in_a_business_accents_and_case_aside(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    await make_category(api, owner, "Café")
    other = await make_category(api, owner, "Rent")
    async with nothing_written():
        assert await refusal(api, owner, CREATE_CATEGORY, input={"name": " CAFE "}) == ("CONFLICT", [])
        assert await refusal(api, owner, UPDATE, input={"id": other["id"], "name": "cafe\u0301"}) == ("CONFLICT", [])
    await make_category(api, stranger, "Café")


async def test_a_budget_fixes_the_currency(api: Api, owner: Person) -> None:
    await made(api, owner, SETTINGS, input={"currency": "JPY"})
    refused = await refusal(api, owner, CREATE_CATEGORY, input={"name": "Rent", "monthlyBudget": "1.5"})
    assert refused == ("INVALID_INPUT", ["input.monthlyBudget"])
    category = await make_category(api, owner)
    await made(api, owner, SETTINGS, input={"currency": "EUR"})
    assert (await made(api, owner, UPDATE, input={"id": category["id"], "monthlyBudget": "1.5"}))["monthlyBudget"] == "1.50"
    assert await refusal(api, owner, SETTINGS, input={"currency": "JPY"}) == ("CONFLICT", [])


async def test_what_was_spent_this_month_follows_the_expenses_of_this_month(api: Api, owner: Person, database: Database) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    expense = await spend(api, owner, "100.00", categoryId=rent["id"])
    await spend(api, owner, "20.00", categoryId=rent["id"])
    await spend(api, owner, "7.00")
    await spend(api, owner, "3000.00", categoryId=rent["id"], incurredOn="2020-01-31")
    assert await spent(api, owner) == {"Rent": "120.00", "Power": "0.00"}
    await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "amount": "90.00", "categoryId": power["id"]})
    assert await spent(api, owner) == {"Rent": "20.00", "Power": "90.00"}
    await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "incurredOn": "2020-01-31"})
    assert await spent(api, owner) == {"Rent": "20.00", "Power": "0.00"}
    assert (await verify(database)).findings == ()


async def test_the_count_follows_its_expenses(api: Api, owner: Person) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    expense = await spend(api, owner, categoryId=rent["id"])
    assert await counted(api, owner) == {"Rent": 1, "Power": 0}
    await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "categoryId": power["id"]})
    assert await counted(api, owner) == {"Rent": 0, "Power": 1}
    await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "categoryId": None})
    assert await counted(api, owner) == {"Rent": 0, "Power": 0}
    await made(api, owner, UPDATE_EXPENSE, input={"id": expense["id"], "categoryId": rent["id"]})
    await made(api, owner, DELETE_EXPENSE, id=expense["id"])
    assert await counted(api, owner) == {"Rent": 0, "Power": 0}


async def test_the_expenses_of_a_category_are_narrowed_by_days(api: Api, owner: Person) -> None:
    rent = await make_category(api, owner)
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        await spend(api, owner, categoryId=rent["id"], incurredOn=day)
    [category] = await listed(
        api,
        owner,
        "expenseCategories",
        'expenses(from: "2026-03-01", to: "2026-03-02") { nodes { incurredOn } } newest: expenses(first: 1) { nodes { incurredOn } }',
    )
    assert category == {
        "expenses": {"nodes": [{"incurredOn": "2026-03-02"}, {"incurredOn": "2026-03-01"}]},
        "newest": {"nodes": [{"incurredOn": "2026-03-03"}]},
    }


async def test_an_empty_category_is_deleted(api: Api, owner: Person) -> None:
    category = await make_category(api, owner)
    assert await made(api, owner, DELETE, id=category["id"]) == {"id": category["id"], "name": "Rent", "expenseCount": 0}
    assert await names(api, owner) == []
    assert await refusal(api, owner, DELETE, id=category["id"]) == ("NOT_FOUND", [])


@pytest.mark.parametrize("with_a", ["expense", "recurring expense"])
async def test_a_category_in_use_is_not_deleted_without_a_place_for_what_is_in_it(
    api: Api, owner: Person, nothing_written: Unchanged, with_a: str
) -> None:
    category = await make_category(api, owner)
    if with_a == "expense":
        await spend(api, owner, categoryId=category["id"])
    else:
        await recur(api, owner, categoryId=category["id"], startsOn="2027-01-01")
    async with nothing_written():
        [error] = (await api.execute(DELETE, {"id": category["id"]}, caller=owner))["errors"]
    assert error["extensions"]["code"] == "CONFLICT"
    assert "moveExpensesTo" in error["message"]


async def test_deleting_a_category_moves_its_expenses_with_their_sums_and_what_recurs(api: Api, owner: Person, database: Database) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    for amount in ("1.00", "2.00"):
        await spend(api, owner, amount, categoryId=rent["id"])
    await spend(api, owner, "4.00", categoryId=power["id"])
    await spend(api, owner, "8.00", categoryId=rent["id"], incurredOn="2020-01-31")
    recurring = await recur(api, owner, categoryId=rent["id"], startsOn="2027-01-01")
    await made(api, owner, DELETE, id=rent["id"], to=power["id"])
    assert await counted(api, owner) == {"Power": 4}
    assert await spent(api, owner) == {"Power": "7.00"}
    assert [each["category"] for each in await listed(api, owner, "recurringExpenses", "id category { id }")] == [{"id": power["id"]}]
    assert recurring["category"] == {"id": rent["id"]}
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize(
    ("to", "refused"),
    [
        ("self", ("INVALID_INPUT", ["moveExpensesTo"])),
        (MISSING, ("NOT_FOUND", [])),
        ("usr_x", ("INVALID_INPUT", ["moveExpensesTo"])),
        ("theirs", ("NOT_FOUND", [])),
    ],
)
async def test_expenses_are_moved_to_another_category_of_the_same_business_only(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, to: str, refused: Any
) -> None:
    category, theirs = await make_category(api, owner), await make_category(api, stranger)
    await spend(api, owner, categoryId=category["id"])
    target = {"self": category["id"], "theirs": theirs["id"]}.get(to, to)
    async with nothing_written():
        assert await refusal(api, owner, DELETE, id=category["id"], to=target) == refused


async def test_a_category_that_gets_an_expense_while_it_is_deleted_loses_neither(api: Api, owner: Person, database: Database) -> None:
    for number in range(5):
        category = await make_category(api, owner, f"Rent {number}")
        values = {"input": {"amount": "1", "categoryId": category["id"]}}
        deleted, recorded = await asyncio.gather(
            api.execute(DELETE, {"id": category["id"]}, caller=owner), api.execute(RECORD_EXPENSE, values, caller=owner)
        )
        assert ("errors" in deleted) != ("errors" in recorded)
    assert all(expense["category"] for expense in await listed(api, owner, "expenses", "category { id }"))
    await counted(api, owner)
    assert (await verify(database)).findings == ()


async def test_more_expenses_than_one_transaction_moves_stay(api: Api, owner: Person, database: Database) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    update = {"q": {"_id": rent["id"]}, "u": {"$set": {"expense_count": MOST_MOVED + 1}}}
    await database.command({"update": "expense_categories", "updates": [update]})
    assert await refusal(api, owner, DELETE, id=rent["id"], to=power["id"]) == ("CONFLICT", [])


@pytest.mark.slow
async def test_as_many_expenses_as_one_transaction_moves_are_moved(api: Api, owner: Person, database: Database) -> None:
    rent, power = await make_category(api, owner, "Rent"), await make_category(api, owner, "Power")
    await spend(api, owner, "1.00", categoryId=rent["id"], vendor="Landlord, of the old town", note="Every month anew, by standing order")
    # The others are put there as if they had been recorded.
    others = MOST_MOVED - 1
    stored = await contents(database)
    ids = [tables.Expense.new_id() for _ in range(others)]
    rows = [stored["expenses"][0] | {"_id": id} for id in ids]
    entries = [stored["transactions"][0] | {"_id": tables.LedgerEntry.new_id(), "source_id": id} for id in ids]
    await database.command({"insert": "expenses", "documents": rows})
    await database.command({"insert": "transactions", "documents": entries})
    for table, change in (
        ("expense_categories", {"expense_count": others}),
        ("summaries", {"expenses_count": others, "expenses_minor": 100 * others}),
        ("breakdowns", {"count": others, "amount_minor": 100 * others}),
    ):
        query = {"_id": rent["id"]} if table == "expense_categories" else {}
        await database.command({"update": table, "updates": [{"q": query, "u": {"$inc": change}, "multi": True}]})
    assert (await verify(database)).findings == ()
    await made(api, owner, DELETE, id=rent["id"], to=power["id"])
    assert await spent(api, owner) == {"Power": f"{MOST_MOVED}.00"}
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": ""}, "input.name"),
        ({"name": "x" * 10_000}, "input.name"),
        ({"name": "\0"}, "input.name"),
        ({"name": "\ud800"}, "input.name"),
        ({"name": "Rent", "description": "x" * 5001}, "input.description"),
        ({"name": "Rent", "monthlyBudget": "-0.01"}, "input.monthlyBudget"),
        ({"name": "Rent", "monthlyBudget": "0.001"}, "input.monthlyBudget"),
        ({"name": "Rent", "monthlyBudget": "10000000000000.01"}, "input.monthlyBudget"),
        ({"name": "Rent", "monthlyBudget": 5}, "input.monthlyBudget"),
        ({"name": {"$ne": 1}}, "input.name"),
        ({}, "input.name"),
    ],
)
async def test_a_bad_category_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: Values, path: str) -> None:
    async with nothing_written():
        assert problems(await api.execute(CREATE_CATEGORY, {"input": values}, caller=owner)) == [path]
