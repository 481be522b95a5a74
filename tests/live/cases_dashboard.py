"""The dashboard: its figures, what they are made of, and what is of now."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import (
    give_back_a_banana,
    give_back_the_rest,
    open_till,
    rename_apple,
    sell_an_apple,
    void_the_second,
)
from tests.resolvers.till import line, sell

SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"
RECORD_EXPENSE = "mutation ($input: RecordExpenseInput!) { recordExpense(input: $input) { id } }"
DELETE_EXPENSE = "mutation ($id: ID!) { deleteExpense(id: $id) { id } }"
CREATE_CATEGORY = "mutation ($input: CreateExpenseCategoryInput!) { createExpenseCategory(input: $input) { id } }"
UPDATE_CATEGORY = "mutation ($input: UpdateExpenseCategoryInput!) { updateExpenseCategory(input: $input) { id } }"
RECORD_TRANSACTION = "mutation ($input: RecordTransactionInput!) { recordTransaction(input: $input) { id } }"
UPDATE_PRODUCT = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"

NOVEMBER = 'dashboard(from: "2026-11-01", to: "2026-11-30", compareWithPrevious: true)'
DECEMBER = 'dashboard(from: "2026-12-01", to: "2026-12-30", compareWithPrevious: true)'
TEN_YEARS = 'dashboard(from: "2026-11-02", to: "2036-10-30")'
FIGURES = "from to currency revenue refunds tax expenses profit salesCount averageSale"


async def open_till_and_spend(stall: Stall) -> None:
    """Two sales of November, and an expense of its second day under Rent."""
    await open_till(stall)
    made = await stall.api.data(CREATE_CATEGORY, {"input": {"name": "Rent"}}, caller=stall.owner)
    stall.ids["rent"] = made["createExpenseCategory"]["id"]
    await spend(stall)


async def spend(stall: Stall) -> None:
    values = {"amount": "40.00", "tax": "7.00", "categoryId": stall.ids["rent"], "incurredOn": "2026-11-02"}
    made = await stall.api.data(RECORD_EXPENSE, {"input": values}, caller=stall.owner)
    stall.ids["expense"] = made["recordExpense"]["id"]


async def delete_the_expense(stall: Stall) -> None:
    await stall.do(DELETE_EXPENSE, id=stall.ids["expense"])


async def rename_the_rent(stall: Stall) -> None:
    await stall.do(UPDATE_CATEGORY, input={"id": stall.ids["rent"], "name": "Lease"})


async def sell_a_cherry_in_november(stall: Stall) -> None:
    await sell(stall.api, stall.owner, line({"id": stall.ids["Cherry"]}), soldAt="2026-11-03T15:00:00Z", paymentMethod="ONLINE")


async def sell_two_cherries_in_november(stall: Stall) -> None:
    await sell(stall.api, stall.owner, line({"id": stall.ids["Cherry"]}, 2), soldAt="2026-11-03T15:00:00Z")


async def open_till_and_sell_in_october(stall: Stall) -> None:
    await open_till(stall)
    await sell(stall.api, stall.owner, line({"id": stall.ids["Damson"]}), soldAt="2026-10-10T15:00:00Z")


async def sell_cherries(stall: Stall) -> None:
    await sell(stall.api, stall.owner, line({"id": stall.ids["Cherry"]}, 3))


async def pay_something_in(stall: Stall) -> None:
    await stall.do(RECORD_TRANSACTION, input={"amount": "100.00", "description": "Float"})


async def learn_what_apples_cost(stall: Stall) -> None:
    await stall.do(UPDATE_PRODUCT, input={"id": stall.ids["Apple"], "cost": "0.50"})


async def move_to_the_pacific(stall: Stall) -> None:
    """Half of the world has another day then: either Kiritimati or Pago Pago is not where UTC is."""
    data = await stall.api.data("{ dashboard(preset: TODAY) { from } }", caller=stall.owner)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        await stall.do(SETTINGS, input={"timeZone": zone})
        if data != await stall.api.data("{ dashboard(preset: TODAY) { from } }", caller=stall.owner):
            return


def fields(type_name: str, names: str) -> str:
    """The fields of a type that read."""
    return " ".join(f"{type_name}.{name}" for name in names.split())


OWN = "Query.dashboard " + fields("Dashboard", "revenue refunds tax expenses profit salesCount averageSale")
PREVIOUS = "Query.dashboard Dashboard.previous " + fields("PreviousPeriod", "revenue refunds tax expenses profit salesCount averageSale")

CASES = [
    case(OWN, f"{NOVEMBER} {{ {FIGURES} }}", sell_a_cherry_in_november, open_till),
    case(OWN, f"{NOVEMBER} {{ {FIGURES} }}", void_the_second, open_till),
    case(OWN, f"{NOVEMBER} {{ {FIGURES} }}", spend, open_till_and_spend),
    case(OWN, f"{TEN_YEARS} {{ {FIGURES} }}", give_back_a_banana, open_till),
    case("Query.dashboard", "dashboard(preset: TODAY) { from to }", move_to_the_pacific),
    case("Query.dashboard Dashboard.revenue", "dashboard(preset: LAST_30_DAYS) { revenue }", sell_an_apple),
    case("Query.dashboard Dashboard.expenses", f"{NOVEMBER} {{ expenses }}", delete_the_expense, open_till_and_spend),
    case(PREVIOUS, f"{DECEMBER} {{ previous {{ {FIGURES} }} }}", sell_a_cherry_in_november, open_till),
    case(
        "Query.dashboard Dashboard.change",
        f"{NOVEMBER} {{ change {{ revenue salesCount }} }}",
        sell_a_cherry_in_november,
        open_till_and_sell_in_october,
    ),
    case("Query.dashboard Dashboard.series", f"{NOVEMBER} {{ series(by: DAY) {{ from revenue }} }}", sell_a_cherry_in_november, open_till),
    case("Query.dashboard Dashboard.series", f"{NOVEMBER} {{ series(by: WEEK) {{ to profit }} }}", delete_the_expense, open_till_and_spend),
    case("Query.dashboard Dashboard.series", f"{TEN_YEARS} {{ series(by: MONTH) {{ refunds }} }}", give_back_a_banana, open_till),
    case(
        "Query.dashboard Dashboard.topProducts",
        f"{NOVEMBER} {{ topProducts(first: 1) {{ productId quantity revenue }} }}",
        sell_two_cherries_in_november,
        open_till,
    ),
    case(
        "Query.dashboard Dashboard.topProducts",
        f"{TEN_YEARS} {{ topProducts {{ productId revenue }} }}",
        sell_a_cherry_in_november,
        open_till,
    ),
    case("Query.dashboard Dashboard.topProducts TopProduct.name", f"{NOVEMBER} {{ topProducts {{ name }} }}", rename_apple, open_till),
    case(
        "Query.dashboard Dashboard.topProducts TopProduct.product",
        f"{NOVEMBER} {{ topProducts {{ product {{ name }} }} }}",
        rename_apple,
        open_till,
    ),
    case(
        "Query.dashboard Dashboard.expensesByCategory",
        f"{NOVEMBER} {{ expensesByCategory {{ categoryId amount count }} }}",
        delete_the_expense,
        open_till_and_spend,
    ),
    case(
        "Query.dashboard Dashboard.expensesByCategory ExpensesOfCategory.category",
        f"{NOVEMBER} {{ expensesByCategory {{ category {{ name }} }} }}",
        rename_the_rent,
        open_till_and_spend,
    ),
    case(
        "Query.dashboard Dashboard.salesByPaymentMethod",
        f"{NOVEMBER} {{ salesByPaymentMethod {{ paymentMethod amount count }} }}",
        sell_a_cherry_in_november,
        open_till,
    ),
    case(
        "Query.dashboard Dashboard.salesByPaymentMethod",
        f"{TEN_YEARS} {{ salesByPaymentMethod {{ paymentMethod amount }} }}",
        give_back_the_rest,
        open_till,
    ),
    case("Query.dashboard Dashboard.salesByHour", f"{NOVEMBER} {{ salesByHour {{ hour amount count }} }}", void_the_second, open_till),
    case(
        "Query.dashboard Dashboard.lowStockProducts", f"{NOVEMBER} {{ lowStockProducts(first: 2) {{ nodes {{ name }} }} }}", sell_cherries
    ),
    case(
        "Query.dashboard Dashboard.recentTransactions",
        f"{NOVEMBER} {{ recentTransactions(first: 1) {{ nodes {{ amount description }} }} }}",
        pay_something_in,
        open_till,
    ),
    case("Query.dashboard Dashboard.inventoryValue", f"{NOVEMBER} {{ inventoryValue }}", learn_what_apples_cost),
]
