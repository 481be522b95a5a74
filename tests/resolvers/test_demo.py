"""The demo shop is made through the public mutations, and is the same each time."""

from typing import Any

import pytest

from datastore.errors import UnauthenticatedError
from resolvers.demo import fill_demo_shop
from resolvers.services import Services
from tests.gql.api import PASSWORD, Api, Person

EMAIL = "demo@example.org"
SHOP = """
{
  products(first: 100) { nodes { name sku price cost stock lowStock category { name } } }
  productCategories { nodes { name productCount } }
}
"""


async def fill(services: Services, products: int, seen: list[int] | None = None) -> int:
    progress = [] if seen is None else seen
    return await fill_demo_shop(services, products=products, email=EMAIL, password=PASSWORD, progress=progress.append)


async def shop(api: Api) -> dict[str, Any]:
    sign_in = "mutation ($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) { accessToken } }"
    token = (await api.data(sign_in, {"e": EMAIL, "p": PASSWORD}))["signIn"]["accessToken"]
    return await api.data(SHOP, caller=Person(EMAIL, token, "", "", ""))


async def test_a_shop_is_filled_with_believable_products(api: Api, services: Services) -> None:
    seen: list[int] = []
    assert await fill(services, 40, seen) == 40
    data = await shop(api)
    nodes = data["products"]["nodes"]
    assert len(nodes) == 40 == len({node["name"] for node in nodes}) == len({node["sku"] for node in nodes})
    assert all(float(node["cost"]) < float(node["price"]) for node in nodes)
    assert sum(category["productCount"] for category in data["productCategories"]["nodes"]) == 40
    assert seen == list(range(41))


async def test_a_shop_is_filled_up_and_not_filled_twice(api: Api, services: Services) -> None:
    await fill(services, 10)
    assert await fill(services, 25) == 15
    assert await fill(services, 25) == 0
    assert len((await shop(api))["products"]["nodes"]) == 25


async def test_somebody_elses_account_is_not_entered(api: Api, services: Services) -> None:
    await fill(services, 1)
    with pytest.raises(UnauthenticatedError):
        await fill_demo_shop(services, products=2, email=EMAIL, password="not the password", progress=lambda _: None)
