"""What the cases of `tests/live/test_every_query.py` are made of: a stall, selections of `Query`, and changes that matter to them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from tests.gql.api import Api, Person
from tests.resolvers.shop import adjust, make_category, make_product


class Stall:
    """A small shop: two categories, in the first of them Apple, Banana, Cherry and Damson, in the second nothing."""

    def __init__(self, api: Api, owner: Person, driver: AsyncDatabase[dict[str, Any]]) -> None:
        self.api = api
        self.owner = owner
        self.driver = driver
        self.ids: dict[str, str] = {}
        self.cursors: dict[str, str] = {}

    async def open(self) -> None:
        """Makes the rows, and learns cursors of them."""
        self.ids["user"], self.ids["account"] = self.owner.user_id, self.owner.account_id
        for name in ("Fruit", "Tools"):
            self.ids[name] = (await make_category(self.api, self.owner, name))["id"]
        for number, name in enumerate(("Apple", "Banana", "Cherry", "Damson"), start=1):
            values: dict[str, Any] = {"price": f"{number}.00", "stock": number, "sku": f"S-{number}", "categoryId": self.ids["Fruit"]}
            self.ids[name] = (await make_product(self.api, self.owner, name, lowStockThreshold=2, **values))["id"]
        for _ in range(2):
            await adjust(self.api, self.owner, self.ids["Apple"], 5)
        await self._learn("apple", "products(first: 1)")
        await self._learn("found", 'products(first: 1, search: "s")')
        await self._learn("fruit", "productCategories(first: 1)")
        await self._learn("movement", f'stockMovements(productId: "{self.ids["Apple"]}", first: 1)')
        nested = f'productCategory(id: "{self.ids["Fruit"]}") {{ list: products(first: 1, orderBy: PRICE) {{ edges {{ cursor }} }} }}'
        data = await self.api.data(f"{{ above: {nested} }}", caller=self.owner)
        self.cursors["cheapest"] = data["above"]["list"]["edges"][0]["cursor"]

    async def _learn(self, name: str, page: str) -> None:
        data = await self.api.data(f"{{ list: {page} {{ edges {{ cursor }} }} }}", caller=self.owner)
        self.cursors[name] = data["list"]["edges"][0]["cursor"]

    def filled(self, selection: str) -> str:
        """The selection with `<name>` as the id of a row, `<<name>>` as a cursor."""
        for name, cursor in self.cursors.items():
            selection = selection.replace(f"<<{name}>>", f'"{cursor}"')
        for name, id in self.ids.items():
            selection = selection.replace(f"<{name}>", f'"{id}"')
        return selection

    async def do(self, document: str, **variables: Any) -> None:
        """A mutation that must succeed."""
        await self.api.data(document, variables, caller=self.owner)


Change = Callable[[Stall], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """A selection of `Query` and a change that matters to it; `fields` are the fields that read it is a case of.

    `prepare` makes what the stall does not have from its opening, before the selection is watched.
    """

    fields: frozenset[str]
    selection: str
    change: Change
    prepare: Change | None = None


def case(fields: str, selection: str, change: Change, prepare: Change | None = None) -> Any:
    """A case, named after its selection and its change."""
    return pytest.param(Case(frozenset(fields.split()), selection, change, prepare), id=f"{selection} {change.__name__}")
