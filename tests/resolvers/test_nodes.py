from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.resolvers.card_desk import CREATE, awaited_sale
from tests.resolvers.errands import run_errand, schedule
from tests.resolvers.filing import make_folder
from tests.resolvers.hooks import TEST, make_endpoint
from tests.resolvers.key_ring import make_key
from tests.resolvers.shop import make_category, make_product, problems
from tests.resolvers.spending import keep_books
from tests.resolvers.teams import invite
from tests.resolvers.till import line, refund, sell
from tests.resolvers.uploading import store

MONEY = """{
  expenseCategories { nodes { id } } expenses(first: 1) { nodes { id } }
  recurringExpenses { nodes { id } } transactions(first: 1) { nodes { id } }
}"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id createdAt } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
SOLD = "{ sales { nodes { id soldBy { id } items { id } refunds { id items { id } } } } }"
EVERYTHING = "{ viewer { id account { id settings { id } } } products { nodes { id category { id } stockMovements { nodes { id } } } } }"


async def every_kind(api: Api, owner: Person) -> dict[str, str]:
    """An id of each kind of row that somebody has, by its type."""
    category = await make_category(api, owner)
    product = await make_product(api, owner, stock=1, categoryId=category["id"])
    await refund(api, owner, await sell(api, owner, line(product)))
    [sale] = (await api.data(SOLD, caller=owner))["sales"]["nodes"]
    [made] = sale["refunds"]
    data = await api.data(EVERYTHING, caller=owner)
    [product] = data["products"]["nodes"]
    await keep_books(api, owner, "Rent", "2026-11-23")
    money = {field: found["nodes"][0]["id"] for field, found in (await api.data(MONEY, caller=owner)).items()}
    return {
        "User": data["viewer"]["id"],
        "Account": data["viewer"]["account"]["id"],
        "Settings": data["viewer"]["account"]["settings"]["id"],
        "Product": product["id"],
        "ProductCategory": product["category"]["id"],
        "StockMovement": product["stockMovements"]["nodes"][0]["id"],
        "Member": sale["soldBy"]["id"],
        "Sale": sale["id"],
        "SaleItem": sale["items"][0]["id"],
        "Refund": made["id"],
        "RefundItem": made["items"][0]["id"],
        "ExpenseCategory": money["expenseCategories"],
        "Expense": money["expenses"],
        "RecurringExpense": money["recurringExpenses"],
        "Transaction": money["transactions"],
        "ApiKey": (await make_key(api, owner))["apiKey"]["id"],
        "Invitation": (await invite(api, owner, "grace@example.org"))["id"],
        "AuditEvent": (await api.data("{ auditEvents { nodes { id } } }", caller=owner))["auditEvents"]["nodes"][0]["id"],
        "ActiveSession": (await api.data("{ sessions { nodes { id } } }", caller=owner))["sessions"]["nodes"][0]["id"],
        "Folder": await make_folder(api, owner),
        "File": (await store(api, owner))["id"],
        "Job": await schedule(api, owner, run_errand, {"what": "wait"}),
        "WebhookEndpoint": (endpoint := (await make_endpoint(api, owner, "https://hooks.example.org/"))["id"]),
        "WebhookDelivery": (await api.data(TEST, {"id": endpoint}, caller=owner))["sendTestWebhook"]["id"],
        "Payment": await _payment(api, owner),
    }


async def _payment(api: Api, owner: Person) -> str:
    sale = await awaited_sale(api, owner)
    await api.data(CREATE, {"saleId": sale["id"]}, caller=owner)
    data = await api.data("query ($id: ID!) { sale(id: $id) { payments { id } } }", {"id": sale["id"]}, caller=owner)
    id: str = data["sale"]["payments"][0]["id"]
    return id


async def test_a_row_of_every_kind_is_found_by_its_id(api: Api, owner: Person) -> None:
    ids = await every_kind(api, owner)
    schema = await api.data('{ __type(name: "Node") { possibleTypes { name } } }')
    assert {kind["name"] for kind in schema["__type"]["possibleTypes"]} == ids.keys()
    for kind, id in ids.items():
        node = (await api.data(NODE, {"id": id}, caller=owner))["node"]
        assert (node["__typename"], node["id"]) == (kind, id)


async def test_many_rows_come_in_the_order_of_their_ids_with_null_for_what_is_not_there(api: Api, owner: Person, stranger: Person) -> None:
    ids = list((await every_kind(api, owner)).values())
    theirs = list((await every_kind(api, stranger)).values())
    missing = ids[3][:-4] + "ZZZZ"
    asked = [*ids, missing, *theirs, ids[0], ids[0]]
    nodes = (await api.data(NODES, {"ids": asked}, caller=owner))["nodes"]
    assert [node and node["id"] for node in nodes] == [*ids, None, *[None] * len(theirs), ids[0], ids[0]]


NOT_IDS: list[Any] = [
    "",
    "x",
    "prd_",
    "prd_x",
    "PRD_01J0000000000000000000000A",
    "xyz_01J0000000000000000000000A",
    "emc_01J0000000000000000000000A",
    "\0",
    5,
]


@pytest.mark.parametrize("id", NOT_IDS)
async def test_what_is_no_id_is_refused_by_name(api: Api, owner: Person, id: object) -> None:
    assert problems(await api.execute(NODE, {"id": id}, caller=owner)) == ["id"]
    assert problems(await api.execute(NODES, {"ids": [owner.user_id, id]}, caller=owner)) == ["ids.1"]


async def test_at_most_100_ids_are_asked_for_at_once(api: Api, owner: Person) -> None:
    assert len((await api.data(NODES, {"ids": [owner.user_id] * 100}, caller=owner))["nodes"]) == 100
    assert problems(await api.execute(NODES, {"ids": [owner.user_id] * 101}, caller=owner)) == ["ids"]
    assert await api.data(NODES, {"ids": []}, caller=owner) == {"nodes": []}


async def test_rows_are_found_for_nobody_who_is_not_signed_in(api: Api, owner: Person) -> None:
    assert await api.code(NODE, {"id": owner.user_id}) == "UNAUTHENTICATED"
