"""Expenses, their categories, what recurs, and the ledger."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import open_till, rename_oneself, void_the_second
from tests.resolvers.spending import (
    DELETE_EXPENSE,
    DELETE_RECURRING,
    REVERSE,
    SETTINGS,
    UPDATE_EXPENSE,
    UPDATE_RECURRING,
    Values,
    enter,
    listed,
    make_category,
    recur,
    spend,
)

UPDATE_CATEGORY = "mutation ($input: UpdateExpenseCategoryInput!) { updateExpenseCategory(input: $input) { id } }"
DELETE_CATEGORY = "mutation ($id: ID!, $to: ID) { deleteExpenseCategory(id: $id, moveExpensesTo: $to) { id } }"
REORDER = "mutation ($ids: [ID!]!) { reorderExpenseCategories(ids: $ids) { id } }"

EXPENSES = "{ nodes { incurredOn amount vendor } pageInfo { hasNextPage endCursor } }"
ENTRIES = "{ nodes { kind amount description occurredOn } pageInfo { hasNextPage endCursor } }"
RECURRING = "{ nodes { amount nextOn } pageInfo { hasNextPage } }"


async def keep_books(stall: Stall) -> None:
    """Two categories, under the first of them two rents of November; two entries by hand; a lease that has booked one expense."""
    for name in ("Rent", "Phone"):
        stall.ids[name.lower()] = (await make_category(stall.api, stall.owner, name))["id"]
    for key, day, amount in (("first_rent", "2026-11-01", "850.00"), ("second_rent", "2026-11-02", "50.00")):
        values = {"incurredOn": day, "vendor": "Landlord", "categoryId": stall.ids["rent"]}
        stall.ids[key] = (await spend(stall.api, stall.owner, amount, **values))["id"]
    for key, day in (("float", "2026-11-01"), ("deposit", "2026-11-03")):
        entered = await enter(stall.api, stall.owner, "50.00", f"The {key}", occurredAt=f"{day}T12:00:00Z")
        stall.ids[key] = entered["id"]
    stall.ids["lease"] = (await _lease(stall, "2026-10-01"))["id"]
    for name, page in (
        ("newest_entry", "transactions(first: 1)"),
        ("newest_expense", "expenses(first: 1)"),
        ("rents", "expenseCategories(first: 1)"),
    ):
        data = await stall.api.data(f"{{ list: {page} {{ pageInfo {{ endCursor }} }} }}", caller=stall.owner)
        stall.cursors[name] = data["list"]["pageInfo"]["endCursor"]


async def keep_books_and_reverse(stall: Stall) -> None:
    """The same, and the float reversed."""
    await keep_books(stall)
    await stall.do(REVERSE, id=stall.ids["float"])
    [reversal] = await listed(stall.api, stall.owner, "transactions", "id", 'search: "reversal"')
    stall.ids["reversal"] = reversal["id"]


async def keep_books_and_recall_the_rents_entry(stall: Stall) -> None:
    """The same as the first, and the entry of the first rent known by its id."""
    await keep_books(stall)
    [entry] = await listed(stall.api, stall.owner, "transactions", "id", 'kind: EXPENSE, from: "2026-11-01", to: "2026-11-01"')
    stall.ids["entry"] = entry["id"]


async def _lease(stall: Stall, starts_on: str) -> Values:
    return await recur(stall.api, stall.owner, "9.00", "YEARLY", startsOn=starts_on, vendor="Leasing", categoryId=stall.ids["phone"])


async def spend_on_the_newest_day(stall: Stall) -> None:
    await spend(stall.api, stall.owner, "1.00", incurredOn="2026-11-30", vendor="Landlord", categoryId=stall.ids["rent"])


async def spend_in_between(stall: Stall) -> None:
    await spend(stall.api, stall.owner, "1.00", incurredOn="2026-11-01", vendor="Landgrave", categoryId=stall.ids["rent"])


async def spend_today(stall: Stall) -> None:
    await spend(stall.api, stall.owner, "1.00", categoryId=stall.ids["rent"])


async def spend_less_on_the_first_rent(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["first_rent"], "amount": "1.00"})


async def move_the_first_rent_to_december(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["first_rent"], "incurredOn": "2026-12-01"})


async def rename_the_landlord(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["first_rent"], "vendor": "Landgravine"})


async def book_the_first_rent_under_phone(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["first_rent"], "categoryId": stall.ids["phone"]})


async def delete_the_second_rent(stall: Stall) -> None:
    await stall.do(DELETE_EXPENSE, id=stall.ids["second_rent"])


async def delete_the_first_rent(stall: Stall) -> None:
    await stall.do(DELETE_EXPENSE, id=stall.ids["first_rent"])


async def rename_the_rent(stall: Stall) -> None:
    await stall.do(UPDATE_CATEGORY, input={"id": stall.ids["rent"], "name": "Lease"})


async def give_the_rent_a_budget(stall: Stall) -> None:
    await stall.do(UPDATE_CATEGORY, input={"id": stall.ids["rent"], "monthlyBudget": "900.00"})


async def add_a_category(stall: Stall) -> None:
    await make_category(stall.api, stall.owner, "Cleaning")


async def reorder(stall: Stall) -> None:
    await stall.do(REORDER, ids=[stall.ids["phone"], stall.ids["rent"]])


async def delete_the_rent_category(stall: Stall) -> None:
    await stall.do(DELETE_CATEGORY, id=stall.ids["rent"], to=stall.ids["phone"])


async def delete_the_phone_category(stall: Stall) -> None:
    await stall.do(DELETE_CATEGORY, id=stall.ids["phone"], to=stall.ids["rent"])


async def enter_some_money(stall: Stall) -> None:
    await enter(stall.api, stall.owner, "5.00", "The fee")


async def enter_some_money_of_long_ago(stall: Stall) -> None:
    await enter(stall.api, stall.owner, "5.00", "The fee", occurredAt="2020-05-05T12:00:00Z")


async def enter_some_money_of_the_second(stall: Stall) -> None:
    await enter(stall.api, stall.owner, "5.00", "The fee", occurredAt="2026-11-02T12:00:00Z")


async def reverse_the_float(stall: Stall) -> None:
    await stall.do(REVERSE, id=stall.ids["float"])


async def describe_the_float_bare(stall: Stall) -> None:
    """Nothing of ours changes an entry."""
    await stall.driver.transactions.update_one({"_id": stall.ids["float"]}, {"$set": {"description": "Otherwise"}})


async def add_a_lease(stall: Stall) -> None:
    await _lease(stall, "2027-01-01")


async def lease_for_more(stall: Stall) -> None:
    await stall.do(UPDATE_RECURRING, input={"id": stall.ids["lease"], "amount": "10.00"})


async def end_the_lease(stall: Stall) -> None:
    await stall.do(UPDATE_RECURRING, input={"id": stall.ids["lease"], "endsOn": "2026-12-31"})


async def delete_the_lease(stall: Stall) -> None:
    await stall.do(DELETE_RECURRING, id=stall.ids["lease"])


async def delete_what_the_lease_booked(stall: Stall) -> None:
    [booked] = await listed(stall.api, stall.owner, "expenses", "id", 'search: "leasing"')
    await stall.do(DELETE_EXPENSE, id=booked["id"])


async def make_a_new_category(stall: Stall) -> None:
    """One in a business that has no amounts yet."""
    stall.ids["new"] = (await make_category(stall.api, stall.owner, "New"))["id"]
    await stall.driver.settings.update_one({"account_id": stall.ids["account"]}, {"$set": {"currency_fixed": False}})


async def trade_in_yen(stall: Stall) -> None:
    await stall.do(SETTINGS, input={"currency": "JPY"})


LISTS = [
    case("Query.expenses", f"expenses(first: 1) {EXPENSES}", spend_on_the_newest_day, keep_books),
    case("Query.expenses", f"expenses(first: 1, after: <<newest_expense>>) {EXPENSES}", spend_in_between, keep_books),
    case("Query.expenses", f"expenses {EXPENSES}", spend_less_on_the_first_rent, keep_books),
    case("Query.expenses", f"expenses {EXPENSES}", delete_the_second_rent, keep_books),
    case("Query.expenses", f'expenses(from: "2026-11-02", to: "2026-12-01") {EXPENSES}', move_the_first_rent_to_december, keep_books),
    case("Query.expenses", f'expenses(to: "2026-11-01") {EXPENSES}', move_the_first_rent_to_december, keep_books),
    case("Query.expenses", f"expenses(categoryId: <phone>) {EXPENSES}", book_the_first_rent_under_phone, keep_books),
    case("Query.expenses", f'expenses(categoryId: <rent>, from: "2026-11-02") {EXPENSES}', spend_on_the_newest_day, keep_books),
    case("Query.expenses", f'expenses(search: "landg") {EXPENSES}', rename_the_landlord, keep_books),
    case("Query.expenses", f'expenses(search: "landlord", to: "2026-11-01") {EXPENSES}', rename_the_landlord, keep_books),
    case("Query.transactions", f"transactions(first: 1) {ENTRIES}", enter_some_money, keep_books),
    case("Query.transactions", f"transactions(first: 2, after: <<newest_entry>>) {ENTRIES}", enter_some_money_of_the_second, keep_books),
    case("Query.transactions", f"transactions {ENTRIES}", spend_less_on_the_first_rent, keep_books),
    case("Query.transactions", f"transactions {ENTRIES}", void_the_second, open_till),
    case("Query.transactions", f"transactions(kind: EXPENSE) {ENTRIES}", delete_the_second_rent, keep_books),
    case("Query.transactions", f"transactions(kind: SALE, first: 2) {ENTRIES}", void_the_second, open_till),
    case("Query.transactions", f'transactions(from: "2026-11-01", to: "2026-11-01") {ENTRIES}', reverse_the_float, keep_books),
    case("Query.transactions", f'transactions(kind: MANUAL, to: "2026-10-31") {ENTRIES}', enter_some_money_of_long_ago, keep_books),
    case("Query.transactions", f'transactions(search: "fee") {ENTRIES}', enter_some_money, keep_books),
    case("Query.transactions", f'transactions(search: "the fl", from: "2026-11-01") {ENTRIES}', reverse_the_float, keep_books),
    case("Query.expenseCategories", "expenseCategories(first: 1) { nodes { name } }", reorder, keep_books),
    case("Query.expenseCategories", "expenseCategories(first: 2) { pageInfo { hasNextPage } }", add_a_category, keep_books),
    case(
        "Query.expenseCategories",
        "expenseCategories(after: <<rents>>) { nodes { name expenseCount } }",
        delete_the_rent_category,
        keep_books,
    ),
    case("Query.recurringExpenses", f"recurringExpenses(first: 1) {RECURRING}", add_a_lease, keep_books),
    case("Query.recurringExpenses", f"recurringExpenses {RECURRING}", end_the_lease, keep_books),
    case("Query.recurringExpenses", f"recurringExpenses(ended: true) {RECURRING}", end_the_lease, keep_books),
    case("Query.recurringExpenses", f"recurringExpenses {RECURRING}", lease_for_more, keep_books),
]

ROWS = [
    case("Query.expense", "expense(id: <first_rent>) { amount updatedAt }", spend_less_on_the_first_rent, keep_books),
    case("Query.expense", "expense(id: <second_rent>) { id }", delete_the_second_rent, keep_books),
    case("Query.expenseCategory", "expenseCategory(id: <rent>) { name }", rename_the_rent, keep_books),
    case("Query.expenseCategory", "expenseCategory(id: <rent>) { monthlyBudget }", give_the_rent_a_budget, keep_books),
    case("Query.expenseCategory", "expenseCategory(id: <phone>) { expenseCount }", book_the_first_rent_under_phone, keep_books),
    case("Query.recurringExpense", "recurringExpense(id: <lease>) { amount }", lease_for_more, keep_books),
    case("Query.recurringExpense", "recurringExpense(id: <lease>) { id }", delete_the_lease, keep_books),
    case("Query.transaction", "transaction(id: <float>) { description }", describe_the_float_bare, keep_books),
    case("Query.balance", "balance", enter_some_money, keep_books),
    case("Query.balance", "balance", delete_the_first_rent, keep_books),
    case("Query.balance", "balance", void_the_second, open_till),
    case("Query.balance", 'balance(asOf: "2026-11-01")', spend_less_on_the_first_rent, keep_books),
    case("Query.balance", 'balance(asOf: "2026-11-02")', enter_some_money_of_long_ago, keep_books),
    case("Query.balance", 'balance(asOf: "2026-11-01")', move_the_first_rent_to_december, keep_books),
    case("Query.balance", 'balance(asOf: "2026-11-30")', move_the_first_rent_to_december, keep_books),
]

NESTED = [
    case("Query.expense Expense.category", "expense(id: <first_rent>) { category { name } }", rename_the_rent, keep_books),
    case("Query.expenses Expense.category", "expenses { nodes { category { name } } }", book_the_first_rent_under_phone, keep_books),
    case("Query.expenses Expense.recurring", 'expenses(search: "leasing") { nodes { recurring { amount } } }', lease_for_more, keep_books),
    case("Query.expenses Expense.recurring", "expenses { nodes { recurring { id } } }", delete_the_lease, keep_books),
    case("Query.expense Expense.recordedBy", "expense(id: <first_rent>) { recordedBy { name } }", rename_oneself, keep_books),
    case("Query.expenseCategory ExpenseCategory.spentThisMonth", "expenseCategory(id: <rent>) { spentThisMonth }", spend_today, keep_books),
    case(
        "Query.expenseCategories ExpenseCategory.spentThisMonth",
        "expenseCategories { nodes { name spentThisMonth } }",
        spend_today,
        keep_books,
    ),
    case(
        "Query.expenseCategory ExpenseCategory.spentThisMonth",
        "expenseCategory(id: <new>) { spentThisMonth }",
        trade_in_yen,
        make_a_new_category,
    ),
    case(
        "Query.expenseCategory ExpenseCategory.expenses",
        f"expenseCategory(id: <rent>) {{ expenses(first: 1) {EXPENSES} }}",
        spend_on_the_newest_day,
        keep_books,
    ),
    case(
        "Query.expenseCategories ExpenseCategory.expenses",
        f'expenseCategories {{ nodes {{ expenses(to: "2026-11-01") {EXPENSES} }} }}',
        book_the_first_rent_under_phone,
        keep_books,
    ),
    case(
        "Query.recurringExpense RecurringExpense.category",
        "recurringExpense(id: <lease>) { category { name } }",
        delete_the_phone_category,
        keep_books,
    ),
    case(
        "Query.recurringExpense RecurringExpense.expenses",
        f"recurringExpense(id: <lease>) {{ expenses {EXPENSES} }}",
        delete_what_the_lease_booked,
        keep_books,
    ),
    case(
        "Query.recurringExpenses RecurringExpense.recordedBy",
        "recurringExpenses { nodes { recordedBy { name } } }",
        rename_oneself,
        keep_books,
    ),
    case("Query.transaction Transaction.recordedBy", "transaction(id: <float>) { recordedBy { name } }", rename_oneself, keep_books),
    case(
        "Query.transaction Transaction.reversedBy", "transaction(id: <float>) { reversedBy { description } }", reverse_the_float, keep_books
    ),
    case(
        "Query.transactions Transaction.reversedBy",
        "transactions { nodes { reversedBy { id } } }",
        spend_less_on_the_first_rent,
        keep_books,
    ),
    case(
        "Query.transaction Transaction.reverses",
        "transaction(id: <reversal>) { reverses { description } }",
        describe_the_float_bare,
        keep_books_and_reverse,
    ),
    case("Query.transactions Transaction.reverses", "transactions { nodes { reverses { amount } } }", delete_the_second_rent, keep_books),
    case(
        "Query.transaction Transaction.source",
        "transaction(id: <entry>) { source { id ... on Expense { vendor category { name } } } }",
        rename_the_rent,
        keep_books_and_recall_the_rents_entry,
    ),
    case(
        "Query.transaction Transaction.source",
        "transaction(id: <entry>) { source { id } }",
        delete_the_first_rent,
        keep_books_and_recall_the_rents_entry,
    ),
    case(
        "Query.transactions Transaction.source",
        "transactions(kind: SALE) { nodes { source { ... on Sale { status } } } }",
        void_the_second,
        open_till,
    ),
]

CASES = [*LISTS, *ROWS, *NESTED]
