from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from datastore.database import Database
from gql.app import open_service
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.shop import problems
from tests.resolvers.signing import (
    REFRESH,
    SIGN_IN,
    SIGN_UP_ALONE,
    VERIFY,
    another_session,
    credentials,
    hashing,
    last_code,
    mails,
    shift,
    signed_up,
)

pytestmark = pytest.mark.usefixtures("sign_up_mail")

CHANGE = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { id email } }"
RESEND = "mutation { resendVerification }"
ADMIT = "mutation ($code: String!) { verifyEmail(code: $code) { id emailVerified role account { settings { businessName } } } }"
EVENTS = "{ auditEvents { nodes { event } } }"


@pytest.fixture
async def strict(services: Services, database: Database) -> AsyncIterator[Api]:
    """The API of a server that asks for confirmed addresses."""
    confirming = replace(services, settings=services.settings.model_copy(update={"sign_up": "confirmed"}))
    async with open_service(confirming) as service:
        yield Api(service, confirming)


async def pending(api: Api, email: str) -> Person:
    """Somebody who has signed up and confirmed nothing."""
    session = (await api.data(SIGN_UP_ALONE, signed_up(email)))["signUp"]
    return Person(email, session["accessToken"], session["refreshToken"], session["user"]["id"], "")


def new_address(email: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"input": {"email": email, "password": password}}


async def test_who_enters_the_code_reads_the_address(api: Api, owner: Person, services: Services) -> None:
    user = (await api.data(VERIFY, {"code": await last_code(services, "verification")}, caller=owner))["verifyEmail"]
    assert user == {"id": owner.user_id, "email": owner.email, "emailVerified": True}
    await api.data(RESEND, caller=owner)
    assert len(await mails(services)) == 1, "nothing is left to confirm"


async def test_a_pending_person_may_only_confirm_and_leave(strict: Api, services: Services, database: Database) -> None:
    person = await pending(strict, "ada@example.org")
    for document in (
        "{ viewer { id } }",
        "{ sessions { nodes { id } } }",
        "{ products { nodes { id } } }",
        'mutation { createFolder(input: {name: "x"}) { id } }',
        "mutation { signOutEverywhere }",
        'mutation { updateProfile(input: {name: "x"}) { id } }',
    ):
        assert await strict.code(document, caller=person) == "FORBIDDEN"
    async with strict.watch("subscription { live { products { nodes { id } } } }", caller=person) as watching:
        assert watching.last["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    stored = await contents(database)
    assert stored["users"] == stored["accounts"] == stored["members"] == []
    await strict.data("mutation { signOut }", caller=person)
    assert (await contents(database))["sessions"] == []


async def test_the_code_makes_the_user_the_business_and_the_session_whole(strict: Api, services: Services, database: Database) -> None:
    person = await pending(strict, "ada@example.org")
    refreshed = (await strict.data(REFRESH, {"token": person.refresh_token}))["refreshSession"]
    assert refreshed["user"] == {"id": person.user_id, "account": None}
    person = replace(person, access_token=refreshed["accessToken"])
    user = (await strict.data(ADMIT, {"code": await last_code(services, "verification")}, caller=person))["verifyEmail"]
    assert user == {"id": person.user_id, "emailVerified": True, "role": "OWNER", "account": {"settings": {"businessName": "Ada"}}}
    assert await strict.data("{ viewer { email } }", caller=person) == {"viewer": {"email": "ada@example.org"}}
    await strict.data(SIGN_IN, credentials("ada@example.org"))
    stored = await contents(database)
    assert stored["pending_sign_ups"] == stored["email_codes"] == []
    events = (await strict.data(EVENTS, caller=person))["auditEvents"]["nodes"]
    assert [event["event"] for event in events] == ["SIGNED_IN", "EMAIL_VERIFIED", "SIGNED_UP"]


async def test_signing_up_tells_nobody_who_has_an_account(strict: Api, services: Services, commands: Commands, database: Database) -> None:
    """Neither the answer nor what it costs: the hashes, the commands and their number are the same."""
    ada = await pending(strict, "ada@example.org")
    await strict.data(VERIFY, {"code": await last_code(services, "verification")}, caller=ada)
    shapes, costs = [], []
    for email in ("ada@example.org", "nobody@example.org"):
        with commands.counting() as cost, hashing(services) as hashes:
            answer = await strict.data(SIGN_UP_ALONE, signed_up(email))
        shapes.append({name: type(value) for name, value in answer["signUp"].items()})
        costs.append((cost, hashes))
    assert shapes[0] == shapes[1]
    assert costs[0] == costs[1]
    assert costs[0][1] == ["hash"]
    assert [(mail["kind"], mail["to"]) for mail in await mails(services)][1:] == [
        ("account_exists", "ada@example.org"),
        ("verification", "nobody@example.org"),
    ]


async def test_nobody_takes_an_address_over_by_signing_up_with_it(strict: Api, services: Services, database: Database) -> None:
    mallory = await pending(strict, "ada@example.org")
    ada = await pending(strict, "ada@example.org")
    code = await last_code(services, "verification")
    assert problems(await strict.execute(VERIFY, {"code": code}, caller=mallory)) == ["code"]
    await strict.data(VERIFY, {"code": code}, caller=ada)
    first = (await mails(services, about=["verification"]))[0]["code"]
    assert await strict.code(VERIFY, {"code": first}, caller=mallory) == "CONFLICT"
    await strict.data(RESEND, caller=mallory)
    assert [mail["kind"] for mail in await mails(services)][-1] == "account_exists"
    assert [user["_id"] for user in (await contents(database))["users"]] == [ada.user_id]


async def test_a_sign_up_that_nobody_confirms_ends_after_a_day(strict: Api, services: Services, database: Database) -> None:
    person = await pending(strict, "ada@example.org")
    await shift(database, "sessions", "expires_at", timedelta(days=1))
    await shift(database, "pending_sign_ups", "expires_at", timedelta(days=1))
    with pytest.raises(Exception, match="The session has ended"):
        await strict.execute(VERIFY, {"code": await last_code(services, "verification")}, caller=person)
    assert await strict.code(REFRESH, {"token": person.refresh_token}) == "UNAUTHENTICATED"


async def test_an_address_changes_when_the_new_one_is_confirmed(api: Api, owner: Person, services: Services) -> None:
    other = await another_session(api, owner)
    answer = await api.data(CHANGE, new_address("Countess@example.org"), caller=owner)
    assert answer["changeEmail"]["email"] == owner.email
    sent = (await mails(services))[-2:]
    assert [(mail["kind"], mail["to"]) for mail in sent] == [("email_change", "countess@example.org"), ("email_change_note", owner.email)]
    assert sent[1]["new_email"] == "countess@example.org"
    user = (await api.data(VERIFY, {"code": sent[0]["code"]}, caller=owner))["verifyEmail"]
    assert (user["email"], user["emailVerified"]) == ("countess@example.org", True)
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
    await api.data(SIGN_IN, credentials("countess@example.org"))
    await api.data("{ viewer { id } }", caller=other)


async def test_changing_an_address_asks_for_the_password(api: Api, owner: Person, services: Services) -> None:
    assert problems(await api.execute(CHANGE, new_address("x@example.org", "wrong"), caller=owner)) == ["input.password"]
    assert [mail["kind"] for mail in await mails(services)] == ["verification"]


async def test_an_address_of_somebody_else_is_not_told_and_not_given(api: Api, owner: Person, stranger: Person, services: Services) -> None:
    free = await api.data(CHANGE, new_address("free@example.org"), caller=owner)
    assert await api.data(CHANGE, new_address(stranger.email), caller=owner) == free
    assert [mail["to"] for mail in await mails(services, about=["email_change"])] == ["free@example.org"]


async def test_an_address_that_was_taken_meanwhile_is_not_given(api: Api, owner: Person, services: Services, database: Database) -> None:
    await api.data(CHANGE, new_address("wanted@example.org"), caller=owner)
    code = await last_code(services, "email_change")
    await api.sign_up("wanted@example.org")
    assert problems(await api.execute(VERIFY, {"code": code}, caller=owner)) == ["code"]
