import asyncio
from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import CREATE_PRODUCT, make_product, problems

SETTINGS = """
{
  settings {
    businessName currency currencyFixed timeZone locale taxRate pricesIncludeTax lowStockThreshold receiptFooter dailySummaryEmail
    lowStockEmail
  }
}
"""
UPDATE = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id businessName currency timeZone locale } }"


async def settings_of(api: Api, owner: Person) -> dict[str, Any]:
    data = await api.data(SETTINGS, caller=owner)
    settings: dict[str, Any] = data["settings"]
    return settings


async def test_settings_change_by_what_is_sent(api: Api, owner: Person) -> None:
    await api.data(UPDATE, {"input": {"currency": "JPY", "timeZone": "Asia/Tokyo"}}, caller=owner)
    await api.data(UPDATE, {"input": {"businessName": "Engines", "locale": "ja"}}, caller=owner)
    assert await settings_of(api, owner) == {
        "businessName": "Engines",
        "currency": "JPY",
        "currencyFixed": False,
        "timeZone": "Asia/Tokyo",
        "locale": "ja",
        "taxRate": "0",
        "pricesIncludeTax": True,
        "lowStockThreshold": 0,
        "receiptFooter": "",
        "dailySummaryEmail": False,
        "lowStockEmail": False,
    }


async def test_what_sales_and_products_are_made_by_changes_by_what_is_sent(api: Api, owner: Person) -> None:
    values = {
        "taxRate": "7.70",
        "pricesIncludeTax": False,
        "lowStockThreshold": 5,
        "receiptFooter": "Thank you.\nCome again!",
        "dailySummaryEmail": True,
        "lowStockEmail": True,
    }
    before = await settings_of(api, owner)
    for name, value in values.items():
        await api.data(UPDATE, {"input": {name: value}}, caller=owner)
    assert await settings_of(api, owner) == before | values | {"taxRate": "7.7"}


async def test_a_product_made_without_a_threshold_has_that_of_the_settings(api: Api, owner: Person) -> None:
    before = await make_product(api, owner)
    await api.data(UPDATE, {"input": {"lowStockThreshold": 5}}, caller=owner)
    after, own = await make_product(api, owner, stock=5), await make_product(api, owner, stock=5, lowStockThreshold=0)
    assert [(made["lowStockThreshold"], made["lowStock"]) for made in (before, after, own)] == [(0, True), (5, True), (0, False)]


async def test_the_currency_is_fixed_once_an_amount_is_stored(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    await make_product(api, owner)
    assert (await settings_of(api, owner))["currencyFixed"]
    async with nothing_written():
        assert await api.code(UPDATE, {"input": {"currency": "EUR", "locale": "de"}}, caller=owner) == "CONFLICT"
    await api.data(UPDATE, {"input": {"currency": "USD", "locale": "de"}}, caller=owner)


async def test_a_refused_price_fixes_nothing(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    async with nothing_written():
        assert await api.code(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1.234"}}, caller=owner) == "INVALID_INPUT"


async def test_a_currency_that_changes_while_the_first_price_is_stored_never_disagrees_with_it(api: Api) -> None:
    for _ in range(5):
        owner = await api.sign_up()
        await asyncio.gather(
            api.execute(UPDATE, {"input": {"currency": "EUR"}}, caller=owner),
            api.execute(CREATE_PRODUCT, {"input": {"name": "Tea", "price": "1"}}, caller=owner),
        )
        data = await api.data("{ settings { currency } products { nodes { currency } } }", caller=owner)
        assert [node["currency"] for node in data["products"]["nodes"]] == [data["settings"]["currency"]]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"currency": "usd"}, "input.currency"),
        ({"currency": None}, "input.currency"),
        ({"timeZone": "CEST"}, "input.timeZone"),
        ({"timeZone": "../../etc/passwd"}, "input.timeZone"),
        ({"locale": "../en"}, "input.locale"),
        ({"businessName": "x" * 201}, "input.businessName"),
        ({"taxRate": "100.0001"}, "input.taxRate"),
        ({"taxRate": "-1"}, "input.taxRate"),
        ({"taxRate": 19}, "input.taxRate"),
        ({"taxRate": None}, "input.taxRate"),
        ({"pricesIncludeTax": "yes"}, "input.pricesIncludeTax"),
        ({"pricesIncludeTax": None}, "input.pricesIncludeTax"),
        ({"lowStockThreshold": -1}, "input.lowStockThreshold"),
        ({"lowStockThreshold": 10**12 + 1}, "input.lowStockThreshold"),
        ({"receiptFooter": "x" * 5001}, "input.receiptFooter"),
        ({"receiptFooter": "\0"}, "input.receiptFooter"),
        ({"dailySummaryEmail": 1}, "input.dailySummaryEmail"),
        ({"lowStockEmail": "yes"}, "input.lowStockEmail"),
    ],
)
async def test_bad_settings_are_refused(api: Api, owner: Person, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    async with nothing_written():
        assert problems(await api.execute(UPDATE, {"input": values}, caller=owner)) == [path]


async def test_settings_need_somebody_who_is_signed_in(api: Api) -> None:
    assert await api.code(SETTINGS) == "UNAUTHENTICATED"


async def test_settings_are_live(api: Api, owner: Person) -> None:
    async def move() -> None:
        await api.data(UPDATE, {"input": {"timeZone": "Europe/Berlin"}}, caller=owner)

    await verify_live(api, "{ settings { timeZone } }", move, caller=owner)
