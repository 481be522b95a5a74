import asyncio
from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import CREATE_PRODUCT, make_product, problems

SETTINGS = "{ settings { businessName currency currencyFixed timeZone locale } }"
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
    }


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
