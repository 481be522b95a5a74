"""Random bookkeeping through the public API: every mutation that moves money or stock, with input that is often wrong.

Values come from so few that sales run out of stock, refunds meet refunds and days coincide all the time.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.gql.api import Api, Person
from tests.resolvers.card_desk import hear, minor
from tests.resolvers.shop import make_product

EXPECTED_REFUSALS = {"NOT_FOUND", "CONFLICT", "INVALID_INPUT"}
AMOUNTS = ("0.00", "0.01", "0.05", "1.00", "3.33", "9.99", "-1.00")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati")

WAYS_TO_PAY: tuple[dict[str, Any], ...] = (
    {"paymentMethod": "CASH"},
    {"paymentMethod": "CARD"},
    {"paymentMethod": "OTHER"},
    {"paymentMethod": "ONLINE", "awaitsPayment": True},
    {"paymentMethod": "CASH", "awaitsPayment": True},
)
PAYMENTS = "query ($id: ID!) { sale(id: $id) { payments { id providerId currency amount } } }"

RECORD_SALE = "mutation ($input: RecordSaleInput!) { made: recordSale(input: $input) { id items { id } } }"
REFUND_SALE = "mutation ($input: RefundSaleInput!) { made: refundSale(input: $input) { id } }"
VOID_SALE = 'mutation ($id: ID!) { made: voidSale(id: $id, reason: "mistyped") { id } }'
RECORD_EXPENSE = "mutation ($input: RecordExpenseInput!) { made: recordExpense(input: $input) { id } }"
UPDATE_EXPENSE = "mutation ($input: UpdateExpenseInput!) { made: updateExpense(input: $input) { id } }"
DELETE_EXPENSE = "mutation ($id: ID!) { made: deleteExpense(id: $id) { id } }"
CREATE = "mutation ($saleId: ID!) { made: createPayment(saleId: $saleId) { id } }"
CREATE_CATEGORY = "mutation ($name: String!) { made: createExpenseCategory(input: {name: $name}) { id } }"
DELETE_CATEGORY = "mutation ($id: ID!, $to: ID) { made: deleteExpenseCategory(id: $id, moveExpensesTo: $to) { id } }"
RECORD_TRANSACTION = "mutation ($input: RecordTransactionInput!) { made: recordTransaction(input: $input) { id } }"
REVERSE_TRANSACTION = 'mutation ($id: ID!) { made: reverseTransaction(id: $id, reason: "mistyped") { id } }'
UPDATE_SETTINGS = "mutation ($input: UpdateSettingsInput!) { made: updateSettings(input: $input) { id } }"
UPDATE_PRODUCT = "mutation ($input: UpdateProductInput!) { made: updateProduct(input: $input) { id } }"
DELETE_PRODUCT = "mutation ($id: ID!) { made: deleteProduct(id: $id) { id } }"
ADJUST_STOCK = "mutation ($input: AdjustStockInput!) { made: adjustStock(input: $input) { id } }"
ENTRIES = "{ transactions(first: 100) { nodes { id } } }"


@dataclass
class Books:
    """One business, and the ids of what was made in it."""

    api: Api
    owner: Person
    products: list[str] = field(default_factory=list)
    sales: dict[str, list[str]] = field(default_factory=dict)
    """By sale: its items."""
    expenses: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    """By step: how often it was carried out and not refused."""

    async def do(self, step: "Step", random: Random) -> None:
        """Carries out one step."""
        if await step(self, random) is not None:
            self.done[step.__name__] = self.done.get(step.__name__, 0) + 1

    async def mutate(self, document: str, **variables: Any) -> dict[str, Any] | None:
        """What a mutation made; None where it was refused as a caller must expect."""
        answer = await self.api.execute(document, variables, caller=self.owner)
        if "errors" in answer:
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            assert codes <= EXPECTED_REFUSALS, (document, variables, answer)
            return None
        made: dict[str, Any] = answer["data"]["made"]
        return made


Made = dict[str, Any] | None
Step = Callable[[Books, Random], Awaitable[Made]]


async def create_product(books: Books, random: Random) -> Made:
    values: dict[str, Any] = {"cost": random.choice((None, "0.00", "0.70")), "stock": random.randint(0, 9)}
    values |= {"trackStock": random.random() < 0.8, "taxRate": random.choice((None, "0", "7", "19.5"))}
    made = await make_product(books.api, books.owner, "Thing", random.choice(AMOUNTS[:-1]), **values)
    books.products.append(made["id"])
    return made


async def change_product(books: Books, random: Random) -> Made:
    changes: dict[str, Any] = {"cost": random.choice((None, "0.30", "2.00")), "trackStock": random.random() < 0.7, "price": "1.11"}
    chosen = random.choice(sorted(changes))
    return await books.mutate(UPDATE_PRODUCT, input={"id": random.choice(books.products), chosen: changes[chosen]})


async def delete_product(books: Books, random: Random) -> Made:
    return await books.mutate(DELETE_PRODUCT, id=random.choice(books.products))


async def adjust_stock(books: Books, random: Random) -> Made:
    delta = random.choice((-3, -1, 1, 5))
    return await books.mutate(ADJUST_STOCK, input={"productId": random.choice(books.products), "delta": delta, "reason": "counted"})


async def record_sale(books: Books, random: Random) -> Made:
    items = [_line(books, random) for _ in range(random.randint(1, 4))]
    past = timedelta(minutes=random.choice((0, 0, 0, 90, 60 * 24, 60 * 24 * 40)))
    made = await books.mutate(
        RECORD_SALE,
        input={
            "items": items,
            "discount": random.choice((None, "0.05", "1.00")),
            **random.choice(WAYS_TO_PAY),
            "soldAt": (datetime.now(UTC) - past).isoformat(),
        },
    )
    if made is not None:
        books.sales[made["id"]] = [item["id"] for item in made["items"]]
    return made


def _line(books: Books, random: Random) -> dict[str, Any]:
    line: dict[str, Any] = {"productId": random.choice(books.products), "quantity": random.choice((0, 1, 1, 2, 3))}
    if random.random() < 0.3:
        line["unitPrice"] = random.choice(AMOUNTS)
    if random.random() < 0.3:
        line["discount"] = random.choice(AMOUNTS)
    return line


async def refund_sale(books: Books, random: Random) -> Made:
    id = random.choice(sorted(books.sales) or [""])
    items = None
    if random.random() < 0.7:
        lines = books.sales.get(id, [])
        items = [{"itemId": line, "quantity": random.randint(1, 2)} for line in random.sample(lines, random.randint(0, len(lines)))]
    return await books.mutate(REFUND_SALE, input={"saleId": id, "items": items, "restock": random.random() < 0.6, "reason": "broken"})


async def void_sale(books: Books, random: Random) -> Made:
    return await books.mutate(VOID_SALE, id=random.choice(sorted(books.sales) or [""]))


async def ask_for_payment(books: Books, random: Random) -> Made:
    return await books.mutate(CREATE, saleId=random.choice(sorted(books.sales) or [""]))


async def hear_of_payment(books: Books, random: Random) -> Made:
    """An event about a payment of some sale, if it has one: most say that it was paid."""
    data = await books.api.execute(PAYMENTS, {"id": random.choice(sorted(books.sales) or [""])}, caller=books.owner)
    sale = (data.get("data") or {}).get("sale")
    if not sale or not sale["payments"]:
        return None
    kind = random.choice(("succeeded", "succeeded", "processing", "payment_failed", "canceled"))
    payment = random.choice(sale["payments"])
    await hear(books.api.services, books.owner, f"payment_intent.{kind}", payment, amount=minor(payment) + random.choice((0, 0, 0, 1)))
    return {}


async def record_expense(books: Books, random: Random) -> Made:
    made = await books.mutate(RECORD_EXPENSE, input={"vendor": "Landlord", **_spent(books, random)})
    if made is not None:
        books.expenses.append(made["id"])
    return made


def _spent(books: Books, random: Random) -> dict[str, Any]:
    day = datetime.now(UTC).date() - timedelta(days=random.choice((0, 1, 35)))
    return {
        "amount": random.choice(AMOUNTS),
        "tax": random.choice(("0.00", "0.01")),
        "incurredOn": day.isoformat(),
        "categoryId": random.choice([None, *books.categories]),
    }


async def update_expense(books: Books, random: Random) -> Made:
    spent = _spent(books, random)
    chosen = random.sample(sorted(spent), random.randint(1, 3))
    changes = {name: spent[name] for name in chosen}
    return await books.mutate(UPDATE_EXPENSE, input={"id": random.choice(books.expenses or [""]), **changes})


async def delete_expense(books: Books, random: Random) -> Made:
    return await books.mutate(DELETE_EXPENSE, id=random.choice(books.expenses or [""]))


async def create_category(books: Books, random: Random) -> Made:
    made = await books.mutate(CREATE_CATEGORY, name=f"Costs {random.randint(1, 4)}")
    if made is not None:
        books.categories.append(made["id"])
    return made


async def delete_category(books: Books, random: Random) -> Made:
    to = random.choice([None, *books.categories])
    return await books.mutate(DELETE_CATEGORY, id=random.choice(books.categories or [""]), to=to)


async def record_transaction(books: Books, random: Random) -> Made:
    amount = random.choice((*AMOUNTS, "-20.00", "50.00"))
    return await books.mutate(RECORD_TRANSACTION, input={"amount": amount, "description": "Float of the till"})


async def reverse_transaction(books: Books, random: Random) -> Made:
    entries = (await books.api.data(ENTRIES, caller=books.owner))["transactions"]["nodes"]
    return await books.mutate(REVERSE_TRANSACTION, id=random.choice(entries)["id"] if entries else "")


async def change_settings(books: Books, random: Random) -> Made:
    changes: dict[str, Any] = {
        "taxRate": random.choice(("0", "7", "19")),
        "pricesIncludeTax": random.random() < 0.5,
        "timeZone": random.choice(ZONES),
        "currency": random.choice(("USD", "JPY")),
    }
    chosen = random.choice(sorted(changes))
    return await books.mutate(UPDATE_SETTINGS, input={chosen: changes[chosen]})


STEPS: dict[Step, int] = {
    create_product: 3,
    change_product: 2,
    delete_product: 1,
    adjust_stock: 2,
    record_sale: 10,
    ask_for_payment: 5,
    hear_of_payment: 5,
    refund_sale: 6,
    void_sale: 2,
    record_expense: 4,
    update_expense: 3,
    delete_expense: 2,
    create_category: 2,
    delete_category: 1,
    record_transaction: 2,
    reverse_transaction: 2,
    change_settings: 2,
}
"""Each step, and how often it is chosen."""


def some_step(random: Random) -> Step:
    """One of them."""
    [step] = random.choices(list(STEPS), list(STEPS.values()))
    return step
