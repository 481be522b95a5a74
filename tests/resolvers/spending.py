"""Expenses, their categories and the ledger of a shop, through the public API."""

from typing import Any

from tests.gql.api import Api, Person

CATEGORY = "id createdAt updatedAt name description position expenseCount monthlyBudget spentThisMonth"
EXPENSE = "id createdAt updatedAt amount tax currency vendor note incurredOn category { id } recurring { id } recordedBy { userId }"
RECURRING = "id createdAt updatedAt amount tax currency vendor note interval startsOn endsOn nextOn category { id } recordedBy { userId }"
ENTRY = """
id createdAt updatedAt kind amount currency description occurredAt occurredOn
source { id } reverses { id } reversedBy { id } recordedBy { userId }
"""
CREATE_CATEGORY = f"mutation ($input: CreateExpenseCategoryInput!) {{ made: createExpenseCategory(input: $input) {{ {CATEGORY} }} }}"
RECORD_EXPENSE = f"mutation ($input: RecordExpenseInput!) {{ made: recordExpense(input: $input) {{ {EXPENSE} }} }}"
UPDATE_EXPENSE = f"mutation ($input: UpdateExpenseInput!) {{ made: updateExpense(input: $input) {{ {EXPENSE} }} }}"
DELETE_EXPENSE = f"mutation ($id: ID!) {{ made: deleteExpense(id: $id) {{ {EXPENSE} }} }}"
CREATE_RECURRING = f"mutation ($input: CreateRecurringExpenseInput!) {{ made: createRecurringExpense(input: $input) {{ {RECURRING} }} }}"
UPDATE_RECURRING = f"mutation ($input: UpdateRecurringExpenseInput!) {{ made: updateRecurringExpense(input: $input) {{ {RECURRING} }} }}"
DELETE_RECURRING = f"mutation ($id: ID!) {{ made: deleteRecurringExpense(id: $id) {{ {RECURRING} }} }}"
RECORD_TRANSACTION = f"mutation ($input: RecordTransactionInput!) {{ made: recordTransaction(input: $input) {{ {ENTRY} }} }}"
REVERSE = f'mutation ($id: ID!, $reason: String! = "Mistyped") {{ made: reverseTransaction(id: $id, reason: $reason) {{ {ENTRY} }} }}'
SETTINGS = "mutation ($input: UpdateSettingsInput!) { made: updateSettings(input: $input) { id } }"

Values = dict[str, Any]


async def made(api: Api, owner: Person, document: str, **variables: Any) -> Values:
    """What a mutation made that must succeed."""
    found: Values = (await api.data(document, variables, caller=owner))["made"]
    return found


async def make_category(api: Api, owner: Person, name: str = "Rent", **values: Any) -> Values:
    """A new expense category."""
    return await made(api, owner, CREATE_CATEGORY, input={"name": name, **values})


async def spend(api: Api, owner: Person, amount: str = "100.00", **values: Any) -> Values:
    """A new expense."""
    return await made(api, owner, RECORD_EXPENSE, input={"amount": amount, **values})


async def enter(api: Api, owner: Person, amount: str = "50.00", description: str = "Float", **values: Any) -> Values:
    """A new transaction, by hand."""
    return await made(api, owner, RECORD_TRANSACTION, input={"amount": amount, "description": description, **values})


async def recur(api: Api, owner: Person, amount: str = "100.00", interval: str = "MONTHLY", **values: Any) -> Values:
    """A new recurring expense."""
    return await made(api, owner, CREATE_RECURRING, input={"amount": amount, "interval": interval, **values})


async def listed(api: Api, owner: Person, field: str, selection: str, arguments: str = "first: 100") -> list[Values]:
    """The nodes of a list."""
    nodes: list[Values] = (await api.data(f"{{ list: {field}({arguments}) {{ nodes {{ {selection} }} }} }}", caller=owner))["list"]["nodes"]
    return nodes


async def balance_of(api: Api, owner: Person, as_of: str | None = None) -> str:
    """The sum of the ledger."""
    found: str = (await api.data("query ($day: Date) { balance(asOf: $day) }", {"day": as_of}, caller=owner))["balance"]
    return found


async def refusal(api: Api, owner: Person, document: str, **variables: Any) -> tuple[str, list[str]]:
    """The code of the one error of a mutation that must fail, and the paths that it names."""
    [error] = (await api.execute(document, variables, caller=owner))["errors"]
    return error["extensions"]["code"], [problem["path"] for problem in error["extensions"].get("fields", ())]


async def keep_books(api: Api, owner: Person, name: str, day: str) -> None:
    """One row of each kind that has to do with money spent, all called the same: a category, what recurs once, expenses, an entry."""
    category = await make_category(api, owner, name, description=name, monthlyBudget="900.00")
    values = {"vendor": name, "note": name, "categoryId": category["id"]}
    await recur(api, owner, startsOn=day, endsOn=day, **values)
    await recur(api, owner, startsOn=day, **values)
    await spend(api, owner, "77.77", incurredOn=day, **values)
    await enter(api, owner, "33.33", name, occurredAt=f"{day}T12:00:00Z")
