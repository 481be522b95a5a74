"""Webhooks from the change to the receiver, on a real one."""

import pytest

from datastore.database import Database
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.receivers import Receiver
from tests.resolvers.clocks import Clock
from tests.resolvers.hooks import deliveries, make_endpoint, open_to_all, sending, until_logged
from tests.resolvers.shop import make_product

Shop = tuple[Api, Clock, Person]


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    """A business whose webhooks may go to our own network."""
    api, clock = open_to_all(services)
    return api, clock, await api.sign_up()


async def test_a_change_is_told_to_the_endpoints_that_want_it_signed_as_the_standard_says(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.*")
    async with sending(api.services):
        product = await make_product(api, owner, "Assam", price="4.50", cost="2.00")
        [first] = await receiver.count(1)
        await until_logged(api, owner, endpoint["id"], lambda log: [each["status"] for each in log] == ["DELIVERED"])
    message = first.message
    assert message["type"] == "product.created"
    row = message["data"].pop("row")
    assert message["data"].pop("version")
    assert message["data"] == {"table": "PRODUCTS", "id": product["id"], "operation": "INSERT"}
    assert (row["name"], row["price"], row["cost"], row["categoryId"]) == ("Assam", "4.50", "2.00", None)
    [logged] = await deliveries(api, owner, endpoint["id"])
    assert logged["id"] == first.headers["webhook-id"]
    assert logged["body"].encode() == first.body
