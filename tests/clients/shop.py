"""A shop with two products, and somebody in it who is not the client under test."""

from dataclasses import dataclass, replace
from typing import Any, Self

from tests.gql.api import Api, Person

CREATE = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { id name stock } }"
ADJUST = 'mutation ($id: ID!, $delta: Quantity!) { adjustStock(input: {productId: $id, delta: $delta, reason: "count"}) { id } }'


@dataclass
class Shop:
    """What the tests change by the API, while a client watches."""

    api: Api
    owner: Person
    apple: dict[str, Any]
    pear: dict[str, Any]

    @classmethod
    async def open(cls, api: Api) -> Self:
        """A new shop with 10 apples and 20 pears."""
        owner = await api.sign_up()
        products = [
            (await api.data(CREATE, {"input": {"name": name, "price": "1.00", "stock": stock}}, caller=owner))["createProduct"]
            for name, stock in [("Apple", 10), ("Pear", 20)]
        ]
        return cls(api, owner, *products)

    async def adjust(self, product: dict[str, Any], delta: int) -> None:
        """Changes a stock."""
        await self.api.data(ADJUST, {"id": product["id"], "delta": delta}, caller=self.owner)

    async def sign_out(self, authorization: str) -> None:
        """Ends the session of a client, whose Authorization header this is, from elsewhere."""
        device = replace(self.owner, access_token=authorization.removeprefix("Bearer "))
        await self.api.data("mutation { signOut }", caller=device)
