import asyncio
from typing import Any

import pytest

from datastore.database import Database
from tests.gql.api import PASSWORD, SIGN_UP, Api
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.signing import (
    signed_up,
)


async def test_signing_up_makes_a_user_their_business_and_a_session(api: Api, database: Database) -> None:
    selection = (
        "user { id email emailVerified name locale role account { id settings { businessName currency currencyFixed timeZone locale } } }"
    )
    document = f"mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ {selection} }} }}"
    values = signed_up(" Ada@Example.org", businessName="Engines", currency="EUR", timeZone="Europe/London", locale="en_GB")
    user = (await api.data(document, values))["signUp"]["user"]
    assert user["email"] == "ada@example.org"
    assert (user["emailVerified"], user["name"], user["locale"], user["role"]) == (False, "Ada", "en-GB", "OWNER")
    assert user["account"]["settings"] == {
        "businessName": "Engines",
        "currency": "EUR",
        "currencyFixed": False,
        "timeZone": "Europe/London",
        "locale": "en-GB",
    }
    stored = await contents(database)
    assert [len(stored[table]) for table in ("users", "accounts", "members", "settings", "sessions")] == [1, 1, 1, 1, 1]
    assert PASSWORD not in str(stored)


async def test_what_signing_up_leaves_out_has_defaults(api: Api) -> None:
    owner = await api.sign_up(name="Ada Lovelace")
    data = await api.data("{ settings { businessName currency timeZone locale } }", caller=owner)
    assert data["settings"] == {"businessName": "Ada Lovelace", "currency": "USD", "timeZone": "UTC", "locale": "en"}


async def test_an_address_signs_up_once_however_it_is_spelt(api: Api, nothing_written: Unchanged) -> None:
    await api.sign_up("ada@example.org")
    async with nothing_written():
        assert await api.code(SIGN_UP, signed_up(" ADA@Example.ORG ")) == "CONFLICT"


async def test_of_two_sign_ups_with_one_address_at_once_one_is_a_conflict(api: Api, database: Database) -> None:
    answers = await asyncio.gather(*(api.execute(SIGN_UP, signed_up("ada@example.org")) for _ in range(4)))
    codes = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
    assert codes == ["CONFLICT"] * 3
    stored = await contents(database)
    assert [len(stored[table]) for table in ("users", "accounts", "members", "settings", "sessions")] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"email": "ada"}, "input.email"),
        ({"email": "\0@example.org"}, "input.email"),
        ({"email": "a" * 10_000 + "@example.org"}, "input.email"),
        ({"password": "short"}, "input.password"),
        ({"password": "x" * 129}, "input.password"),
        ({"password": "\ud800" * 8}, "input.password"),
        ({"name": " "}, "input.name"),
        ({"name": "x" * 10_000}, "input.name"),
        ({"name": "A\0"}, "input.name"),
        ({"name": "\udfff"}, "input.name"),
        ({"currency": "XTS"}, "input.currency"),
        ({"timeZone": "Mars/Olympus"}, "input.timeZone"),
        ({"locale": "klingon"}, "input.locale"),
        ({"businessName": "\n"}, "input.businessName"),
    ],
)
async def test_a_bad_sign_up_names_what_is_wrong(api: Api, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    async with nothing_written():
        assert problems(
            await api.execute(SIGN_UP, signed_up("ada@example.org") | {"input": signed_up("ada@example.org")["input"] | values})
        ) == [path]
