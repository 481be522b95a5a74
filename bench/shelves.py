"""Products for benchmarks, written straight into MongoDB as anybody's writer could: the engine must see them all the same.

The rows are copies of one that was made through the API, so that they are as the schema wants them.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.write_concern import WriteConcern

from bench.stack import Person, Stack
from datastore.ids import new_id

Row = dict[str, Any]

CREATE = 'mutation { createProduct(input: {name: "Template", price: "1.00"}) { id } }'
VIEWER = "{ viewer { account { id } } }"


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with a business, and the ids of the products in it by name."""

    person: Person
    account_id: str
    product_ids: tuple[str, ...]


class Shelves:
    """The collection of products, and a row to copy."""

    def __init__(self, products: AsyncCollection[Row], template: Row) -> None:
        self.products = products
        self._template = template

    async def stock(self, account_id: str, count: int) -> tuple[str, ...]:
        """Gives an account that many products more; returns their ids in the order of their names."""
        rows = [self._copy(account_id, number) for number in range(count)]
        await self.products.insert_many(rows)
        return tuple(row["_id"] for row in rows)

    async def rename(self, id: str, name: str) -> None:
        """Changes a product's name on its place in the list; returns when a majority has it in its journal."""
        await self.products.update_one({"_id": id}, {"$set": {"name": name}})

    async def restock(self, id: str, stock: int) -> None:
        """Changes how many there are of a product."""
        await self.products.update_one({"_id": id}, {"$set": {"stock": stock}})

    def _copy(self, account_id: str, number: int) -> Row:
        name = f"product {number:06}"
        return self._template | {"_id": new_id("prd"), "account_id": account_id, "name": name, "name_key": name}


@asynccontextmanager
async def shelves(stack: Stack) -> AsyncGenerator[Shelves, None]:
    """Shelves in the stack's database."""
    uri, database = stack.database
    async with AsyncMongoClient[Row](uri, tz_aware=True) as client:
        products = client[database].get_collection("products", write_concern=WriteConcern(w="majority", j=True))
        async with httpx.AsyncClient() as http:
            person = await Person.sign_up(http, stack.url)
            made = await person.ask(CREATE)
        template = await products.find_one({"_id": made["data"]["createProduct"]["id"]})
        if template is None:
            raise RuntimeError("the product that was just made is not there")
        yield Shelves(products, template)


async def owners(http: httpx.AsyncClient, stack: Stack, on: Shelves, counts: Sequence[int]) -> list[Owner]:
    """So many new people, each with that many products."""
    made = []
    for count in counts:
        person = await Person.sign_up(http, stack.url)
        account_id = (await person.ask(VIEWER))["data"]["viewer"]["account"]["id"]
        made.append(Owner(person, account_id, await on.stock(account_id, count)))
    return made
