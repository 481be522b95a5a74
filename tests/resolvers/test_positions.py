from dataclasses import dataclass
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.tables import OwnedRow
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems


@dataclass(frozen=True)
class Kind:
    """One kind of row that is put in order; `name` is what the API calls it."""

    table: type[OwnedRow]
    name: str
    plural: str

    def __str__(self) -> str:
        return self.table.spec.name

    async def make(self, api: Api, owner: Person, name: str) -> str:
        """The id of a new one."""
        made = await api.data(self.creating, {"name": name}, caller=owner)
        id: str = made["made"]["id"]
        return id

    async def names(self, api: Api, owner: Person) -> list[str]:
        """As they are listed."""
        found = await api.data(f"{{ list: {self.plural}(first: 100) {{ nodes {{ name }} }} }}", caller=owner)
        return [node["name"] for node in found["list"]["nodes"]]

    @property
    def creating(self) -> str:
        return f"mutation ($name: String!) {{ made: create{self.name}(input: {{name: $name}}) {{ id }} }}"

    @property
    def ordering(self) -> str:
        plural = self.plural[0].upper() + self.plural[1:]
        return f"mutation ($ids: [ID!]!) {{ placed: reorder{plural}(ids: $ids) {{ id position }} }}"


KINDS = [
    Kind(tables.ProductCategory, "ProductCategory", "productCategories"),
    Kind(tables.ExpenseCategory, "ExpenseCategory", "expenseCategories"),
]

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=str)


async def test_rows_are_put_in_a_new_order(api: Api, owner: Person, kind: Kind) -> None:
    ids = [await kind.make(api, owner, name) for name in ("Tea", "Bread", "Cake")]
    data = await api.data(kind.ordering, {"ids": ids[::-1]}, caller=owner)
    assert data["placed"] == [{"id": id, "position": position} for position, id in enumerate(ids[::-1], start=1)]
    assert await kind.names(api, owner) == ["Cake", "Bread", "Tea"]


@pytest.mark.parametrize("wrong", ["missing one", "twice", "theirs", "of another kind", "none", "too many"])
async def test_an_order_is_of_all_rows_each_once(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, kind: Kind, wrong: str
) -> None:
    ids = [await kind.make(api, owner, name) for name in ("Tea", "Bread")]
    theirs = await kind.make(api, stranger, "Tea")
    orders = {
        "missing one": ids[:1],
        "twice": [ids[0], ids[0]],
        "theirs": [*ids, theirs],
        "of another kind": [*ids, "prd" + ids[0][3:]],
        "none": [],
        "too many": ids * 501,
    }
    async with nothing_written():
        response = await api.execute(kind.ordering, {"ids": orders[wrong]}, caller=owner)
    assert problems(response)[0].startswith("ids")


async def test_there_are_at_most_500_and_all_of_them_are_put_in_order_at_once(
    api: Api, owner: Person, database: Database, kind: Kind
) -> None:
    await kind.make(api, owner, "Tea 0")
    [first] = (await contents(database))[kind.table.spec.name]
    more: list[dict[str, Any]] = [
        first | {"_id": kind.table.new_id(), "name": f"Tea {n}", "name_key": f"tea {n}", "position": n + 1} for n in range(1, 500)
    ]
    await database.command({"insert": kind.table.spec.name, "documents": more})
    assert await api.code(kind.creating, {"name": "Bread"}, caller=owner) == "CONFLICT"
    ids = [first["_id"], *(row["_id"] for row in more)]
    data = await api.data(kind.ordering, {"ids": ids[::-1]}, caller=owner)
    assert [row["id"] for row in data["placed"]] == ids[::-1]
    assert [row["position"] for row in data["placed"]] == list(range(1, 501))
