import asyncio
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from datastore import schema as tables
from datastore.database import Database
from datastore.errors import UnauthenticatedError
from resolvers.auth import MOST_SESSIONS, REFRESH_GRACE, authenticate
from resolvers.services import Services
from tests.gql.api import PASSWORD, SIGN_UP, Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems

SIGN_IN = (
    "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken accessTokenExpiresAt user { id email role } } }"
)
REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken user { id account { id } } } }"
VIEWER = "{ viewer { id } }"


def credentials(email: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"input": {"email": email, "password": password}}


def signed_up(email: str, **values: Any) -> dict[str, Any]:
    return {"input": {"email": email, "password": PASSWORD, "name": "Ada", **values}}


async def check_signed_out(services: Services, person: Person) -> None:
    with pytest.raises(UnauthenticatedError, match="The session has ended"):
        await authenticate(services, person.access_token)


async def age_sessions(database: Database, by: timedelta) -> None:
    """Makes every session look as if it had been refreshed earlier, and end earlier."""
    milliseconds = int(by.total_seconds() * 1000)
    earlier = {name: {"$subtract": [f"${name}", milliseconds]} for name in ("refreshed_at", "expires_at")}
    await database.command({"update": "sessions", "updates": [{"q": {}, "u": [{"$set": earlier}], "multi": True}]})


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


async def test_signing_in_gives_a_session_of_its_own(api: Api, owner: Person) -> None:
    session = (await api.data(SIGN_IN, credentials(owner.email.upper())))["signIn"]
    assert session["user"] == {"id": owner.user_id, "email": owner.email, "role": "OWNER"}
    again = Person(owner.email, session["accessToken"], session["refreshToken"], owner.user_id, owner.account_id)
    await api.data("mutation { signOut }", caller=again)
    assert await api.data(VIEWER, caller=owner) == {"viewer": {"id": owner.user_id}}


async def test_an_unknown_address_and_a_wrong_password_look_alike(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    async with nothing_written():
        unknown = await api.execute(SIGN_IN, credentials("nobody@example.org"))
        wrong = await api.execute(SIGN_IN, credentials(owner.email, "wrong horse"))
        short = await api.execute(SIGN_IN, credentials(owner.email, "x"))
    assert unknown == wrong == short
    [error] = unknown["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["message"] == "E-mail or password is wrong."


async def test_an_unknown_address_costs_as_many_hashes_as_a_wrong_password(
    api: Api, owner: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    matches = services.passwords._matches

    def counted(stored: str, password: str) -> bool:
        verified.append(stored.rsplit("$", 2)[0])
        return matches(stored, password)

    monkeypatch.setattr(services.passwords, "_matches", counted)
    await api.code(SIGN_IN, credentials("nobody@example.org"))
    await api.code(SIGN_IN, credentials(owner.email, "wrong horse"))
    assert len(verified) == 2
    assert len(set(verified)) == 1, "the parameters, and with them the time, differ"


async def test_signing_in_strengthens_a_hash_of_weaker_days(api: Api, owner: Person, database: Database, services: Services) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await database.command({"update": "users", "updates": [{"q": {}, "u": {"$set": {"password_hash": weak}}}]})
    await api.data(SIGN_IN, credentials(owner.email))
    [user] = (await contents(database))["users"]
    assert services.passwords.is_outdated(weak)
    assert not services.passwords.is_outdated(user["password_hash"])
    await api.data(SIGN_IN, credentials(owner.email))


async def test_the_oldest_session_ends_when_there_are_too_many(api: Api, owner: Person, services: Services, database: Database) -> None:
    [first] = (await contents(database))["sessions"]
    copies = [
        first | {"_id": tables.Session.new_id(), "refresh_hash": f"{n}", "refreshed_at": first["refreshed_at"] + timedelta(seconds=n)}
        for n in range(1, MOST_SESSIONS)
    ]
    await database.command({"insert": "sessions", "documents": copies})
    await api.data(SIGN_IN, credentials(owner.email))
    assert len((await contents(database))["sessions"]) == MOST_SESSIONS
    await check_signed_out(services, owner)


async def test_a_refresh_token_is_good_once(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    session = (await api.data(REFRESH, {"token": owner.refresh_token}))["refreshSession"]
    assert session["user"] == {"id": owner.user_id, "account": {"id": owner.account_id}}
    assert session["refreshToken"] != owner.refresh_token
    async with nothing_written():
        assert await api.code(REFRESH, {"token": owner.refresh_token}) == "CONFLICT"
    await api.data(REFRESH, {"token": session["refreshToken"]})


async def test_of_many_refreshes_at_once_one_succeeds_and_the_session_lives(api: Api, owner: Person) -> None:
    answers = await asyncio.gather(*(api.execute(REFRESH, {"token": owner.refresh_token}) for _ in range(4)))
    [good] = [answer for answer in answers if "errors" not in answer]
    assert {answer["errors"][0]["extensions"]["code"] for answer in answers if answer is not good} == {"CONFLICT"}
    await api.data(REFRESH, {"token": good["data"]["refreshSession"]["refreshToken"]})


async def test_a_refresh_token_used_long_ago_ends_the_session(api: Api, owner: Person, database: Database) -> None:
    session = (await api.data(REFRESH, {"token": owner.refresh_token}))["refreshSession"]
    await age_sessions(database, REFRESH_GRACE)
    assert await api.code(REFRESH, {"token": owner.refresh_token}) == "UNAUTHENTICATED"
    assert (await contents(database))["sessions"] == []
    assert await api.code(REFRESH, {"token": session["refreshToken"]}) == "UNAUTHENTICATED"


async def test_a_session_that_was_not_refreshed_in_time_is_over(api: Api, owner: Person, services: Services, database: Database) -> None:
    await age_sessions(database, timedelta(days=services.settings.refresh_token_days))
    assert await api.code(REFRESH, {"token": owner.refresh_token}) == "UNAUTHENTICATED"
    await check_signed_out(services, owner)


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * 100_000])
async def test_a_refresh_token_that_was_never_given_is_refused(api: Api, owner: Person, nothing_written: Unchanged, token: str) -> None:
    async with nothing_written():
        assert await api.code(REFRESH, {"token": token}) == "UNAUTHENTICATED"


async def test_signing_out_ends_the_session_at_once(api: Api, owner: Person, services: Services, database: Database) -> None:
    assert await api.data("mutation { signOut }", caller=owner) == {"signOut": True}
    assert (await contents(database))["sessions"] == []
    await check_signed_out(services, owner)
    assert await api.code(REFRESH, {"token": owner.refresh_token}) == "UNAUTHENTICATED"


async def test_signing_out_needs_somebody_who_is_signed_in(api: Api) -> None:
    assert await api.code("mutation { signOut }") == "UNAUTHENTICATED"


async def test_an_access_token_gives_the_scope_of_its_session(api: Api, owner: Person, services: Services) -> None:
    scope = await authenticate(services, owner.access_token)
    assert (scope.account_id, scope.user_id, scope.role) == (owner.account_id, owner.user_id, "OWNER")


async def test_the_role_is_the_stored_one_not_the_tokens(api: Api, owner: Person, services: Services, database: Database) -> None:
    await database.command({"update": "sessions", "updates": [{"q": {}, "u": {"$set": {"role": "STAFF"}}}]})
    assert (await authenticate(services, owner.access_token)).role == "STAFF"


async def test_somebody_who_was_removed_from_the_business_cannot_sign_in(api: Api, owner: Person, database: Database) -> None:
    await database.command({"delete": "members", "deletes": [{"q": {}, "limit": 0}]})
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
