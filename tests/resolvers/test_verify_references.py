"""What rows refer to is there, in the same account: each that is not is named."""

import pytest

from datastore.schema import TABLES, TABLES_BY_NAME, Product
from datastore.tables import OwnedRow, Reference
from resolvers.services import Services
from resolvers.verify import verify
from tests.resolvers.broken_books import Break, assert_named, broken, first

pytestmark = pytest.mark.slow

REFERENCES = [(table, reference) for table in TABLES if issubclass(table, OwnedRow) for reference in table.spec.references]


@pytest.mark.parametrize(("table", "reference"), REFERENCES, ids=lambda one: one.column if isinstance(one, Reference) else one.spec.name)
async def test_a_reference_to_nothing_is_named(kept_books: Services, table: type[OwnedRow], reference: Reference) -> None:
    noun = TABLES_BY_NAME[reference.table].spec.noun
    nowhere = TABLES_BY_NAME[reference.table].new_id()
    says = f"^{table.spec.noun} {{id}}: its {noun} {nowhere} is not there$"
    await assert_named(kept_books, Break("to nothing", table, {reference.column: nowhere}, says, {reference.column: {"$ne": None}}))


@pytest.mark.parametrize(("table", "reference"), REFERENCES, ids=lambda one: one.column if isinstance(one, Reference) else one.spec.name)
async def test_a_reference_into_another_account_is_named(kept_books: Services, table: type[OwnedRow], reference: Reference) -> None:
    target = TABLES_BY_NAME[reference.table]
    row = await first(kept_books.database, table, {reference.column: {"$ne": None}})
    foreign = await first(kept_books.database, target, {"account_id": {"$ne": row["account_id"]}})
    whose = f"that of its {target.spec.noun} {foreign['_id']} is {foreign['account_id']}"
    says = f"^{table.spec.noun} {{id}}: account_id is {{account_id}}, but {whose}$"
    await assert_named(kept_books, Break("to others", table, {reference.column: foreign["_id"]}, says, {"_id": row["_id"]}))


async def test_a_row_of_no_account_is_named(kept_books: Services) -> None:
    nobody = Break("of nobody", Product, {"account_id": "acc_00000000000000000000000000"}, "")
    async with broken(kept_books.database, nobody) as columns:
        found = (await verify(kept_books.database)).findings
    assert f"product {columns['id']}: its account acc_00000000000000000000000000 has no settings" in found
