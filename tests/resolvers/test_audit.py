"""What is written to the trail; how owners read it is tested in test_audit_trail.py."""

import asyncio
from typing import Any

import httpx

from datastore.database import Database
from datastore.schema import Settings
from datastore.scope import Scope
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.audit import MOST_DETAIL, differences, record
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.key_ring import REVOKE, make_key, program
from tests.resolvers.shop import make_category, make_product
from tests.resolvers.spending import DELETE_EXPENSE, made, spend

DELETE_PRODUCT = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"
DELETE_CATEGORY = "mutation ($id: ID!) { deleteProductCategory(id: $id) { id } }"
SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"


async def trail(database: Database) -> list[tuple[str, str, str]]:
    """All that is written, in order: what was done, to what, and the detail."""
    found = sorted((await contents(database))["audit_events"], key=lambda row: row["_id"])
    return [(row["event"], row["subject_id"], row["detail"]) for row in found if row["event"] not in {"SIGNED_UP", "SIGNED_IN"}]


async def test_changed_settings_are_told_with_what_they_were(api: Api, owner: Person, database: Database) -> None:
    changes = {"taxRate": "19", "receiptFooter": "x" * 200, "businessName": "Ada Lovelace"}
    await api.data(SETTINGS, {"input": changes}, caller=owner)
    await api.data(SETTINGS, {"input": changes}, caller=owner)
    [(event, subject, detail)] = await trail(database)
    assert (event, subject[:3]) == ("SETTINGS_CHANGED", "set")
    assert detail == f"receipt_footer:  → {'x' * 59}…; tax_rate_ppm: 0 → 190000"


async def test_keys_are_told_when_they_are_made_and_once_when_they_are_revoked(api: Api, owner: Person, database: Database) -> None:
    key = await make_key(api, owner, "SALES_READ")
    for _ in range(2):
        await api.data(REVOKE, {"id": key["apiKey"]["id"]}, caller=owner)
    id = key["apiKey"]["id"]
    assert await trail(database) == [("API_KEY_CREATED", id, "Till 1: SALES_READ"), ("API_KEY_REVOKED", id, "Till 1")]
    assert key["key"] not in str(await contents(database))


async def test_deletions_are_told_and_those_that_fail_are_not(api: Api, owner: Person, database: Database) -> None:
    category = await make_category(api, owner, "Tea")
    product = await make_product(api, owner, "Assam", categoryId=category["id"])
    assert await api.code(DELETE_CATEGORY, {"id": category["id"]}, caller=owner) == "CONFLICT"
    assert await trail(database) == []
    await api.data(DELETE_PRODUCT, {"id": product["id"]}, caller=owner)
    await api.data(DELETE_CATEGORY, {"id": category["id"]}, caller=owner)
    expense = await spend(api, owner, vendor="Landlord")
    await made(api, owner, DELETE_EXPENSE, id=expense["id"])
    assert await trail(database) == [
        ("DELETED", product["id"], "product: Assam"),
        ("DELETED", category["id"], "product category: Tea"),
        ("DELETED", expense["id"], "expense: Landlord"),
    ]


async def test_an_export_is_told_before_a_row_is_handed_out(api: Api, owner: Person, live_server: str, database: Database) -> None:
    async with program(api, live_server, owner) as client:
        answers: list[httpx.Response] = [await client.get(path) for path in ("/export/sales.csv", "/export/products.jsonl")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await trail(database))[1:] == [("DATA_EXPORTED", "", "sales.csv"), ("DATA_EXPORTED", "", "products.jsonl")]


async def test_what_is_undone_leaves_no_entry_and_a_long_detail_is_cut(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction, *, fails: bool) -> None:
        await record(Writer(transaction, scope, "192.0.2.1"), "DATA_EXPORTED", detail="x" * 5000)
        if fails:
            raise KeyError

    await asyncio.gather(
        run_transaction(database, lambda transaction: body(transaction, fails=True)),
        run_transaction(database, lambda transaction: body(transaction, fails=False)),
        return_exceptions=True,
    )
    [row] = (await contents(database))["audit_events"]
    assert (row["address"], row["user_id"], len(row["detail"])) == ("192.0.2.1", scope.user_id, MOST_DETAIL)


def test_what_stays_the_same_is_no_difference() -> None:
    values: dict[str, Any] = {"business_name": "Tea", "locale": "en"}
    row = Settings.model_construct(**values)
    assert differences(row, {"business_name": "Tea", "locale": "de"}) == "locale: en → de"
    assert differences(row, {"locale": "en"}) == ""
