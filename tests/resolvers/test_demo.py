"""The demo shop is made by the functions of the business, is the same each time, and goes on where it stopped."""

import asyncio
from datetime import date
from typing import Any

import pytest

from datastore.errors import ConflictError, UnauthenticatedError
from datastore.schema import TABLES
from resolvers import demo_trade
from resolvers.demo import enter_demo_shop, fill_demo_shop, trade_in_demo_shop
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.conftest import contents

pytestmark = pytest.mark.slow

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


LAST_DAY = date(2026, 10, 31)
OWN = {"_id", "guard", "created_at", "updated_at", "email"}
"""Columns that differ between two shops that are the same."""


class CutShortError(Exception):
    """Somebody has stopped it."""


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_trade, "FEWEST_AT_ONCE", 40)


async def trade(services: Services, email: str, sales: int, stop_at: int | None = None) -> int:
    """Trades in the shop of this address, interrupted where it has made so many sales."""

    def progress(done: int) -> None:
        if stop_at is not None and done >= stop_at:
            raise CutShortError

    scope = await enter_demo_shop(services, email, PASSWORD)
    return await trade_in_demo_shop(services, scope, sales=sales, months=2, last_day=LAST_DAY, progress=progress)


async def shops(services: Services, *emails: str) -> None:
    for email in emails:
        await fill_demo_shop(services, products=30, email=email, password=PASSWORD, progress=lambda _: None)


OF_THE_SESSIONS = {"sessions", "idempotency_keys", "audit_events"}
"""What looking at the shop leaves behind."""


async def rows_of(services: Services, email: str) -> dict[str, list[str]]:
    """All rows of the shop of this address, without what no two shops share."""
    scope = await enter_demo_shop(services, email, PASSWORD)
    names: dict[str, str] = {scope.account_id: "account", scope.user_id: "user"}
    found = {}
    for table, documents in (await contents(services.database)).items():
        mine = [document for document in documents if document.get("account_id") == scope.account_id]
        found[table] = sorted(str({key: named(value, names) for key, value in document.items() if key not in OWN}) for document in mine)
    return {table.spec.name: found[table.spec.name] for table in TABLES if table.spec.name not in OF_THE_SESSIONS}


def named(value: Any, names: dict[str, str]) -> Any:
    """A value, ids made the same for all shops."""
    if isinstance(value, str) and len(value) == 30 and value[3] == "_":
        return names.get(value, value[:3])
    return value


async def test_the_same_arguments_give_the_same_shop(small_steps: None, services: Services, database: object) -> None:
    await shops(services, "one@example.org", "two@example.org")
    await trade(services, "one@example.org", 100)
    await trade(services, "two@example.org", 100)
    one, two = await rows_of(services, "one@example.org"), await rows_of(services, "two@example.org")
    assert len(one["sales"]) == 100
    assert one == two


async def test_what_was_interrupted_goes_on_where_it_stopped(small_steps: None, services: Services, database: object) -> None:
    await shops(services, "whole@example.org", "parts@example.org")
    await trade(services, "whole@example.org", 200)
    for stop_at in (0, 80, 120):
        with pytest.raises(CutShortError):
            await trade(services, "parts@example.org", 200, stop_at)
        assert (await verify(services.database)).findings == ()
    assert await trade(services, "parts@example.org", 200) == 80
    assert await rows_of(services, "parts@example.org") == await rows_of(services, "whole@example.org")


async def test_only_missing_sales_are_added(small_steps: None, services: Services, database: object) -> None:
    await shops(services, EMAIL)
    assert await trade(services, EMAIL, 50) == 50
    assert await trade(services, EMAIL, 50) == 0
    assert await trade(services, EMAIL, 70) == 20
    verified = await verify(services.database)
    assert (verified.findings, verified.sales) == ((), 70)


async def test_two_who_fill_the_same_shop_at_once_do_not_fill_it_twice(small_steps: None, services: Services, database: object) -> None:
    await shops(services, EMAIL)
    both = await asyncio.gather(trade(services, EMAIL, 100), trade(services, EMAIL, 100), return_exceptions=True)
    assert {type(one) for one in both} <= {int, ConflictError}
    await trade(services, EMAIL, 100)
    verified = await verify(services.database)
    assert (verified.findings, verified.sales) == ((), 100)
