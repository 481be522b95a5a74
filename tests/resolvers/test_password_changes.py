import asyncio
import hashlib
import json
from typing import Any

import pytest

from datastore.database import Database
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.signing import SIGN_IN, another_session, check_signed_out, credentials, hashing, last_code, mails

pytestmark = pytest.mark.usefixtures("sign_up_mail")

REQUEST = "mutation ($email: String!) { requestPasswordReset(email: $email) }"
RESET = "mutation ($input: ResetPasswordInput!) { resetPassword(input: $input) }"
CHANGE = "mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { id } }"
NEW = "another battery of horses"
LAST_EVENT = "{ auditEvents(first: 1) { nodes { event } } }"


def new_password(email: str, code: str, password: str = NEW) -> dict[str, Any]:
    return {"input": {"email": email, "code": code, "newPassword": password}}


async def test_a_forgotten_password_is_set_anew_and_ends_all_sessions(api: Api, owner: Person, services: Services) -> None:
    other = await another_session(api, owner)
    assert await api.data(REQUEST, {"email": f" {owner.email.upper()}"}) == {"requestPasswordReset": True}
    code = await last_code(services, "password_reset")
    assert await api.data(RESET, new_password(owner.email, code)) == {"resetPassword": True}
    for person in (owner, other):
        await check_signed_out(services, person)
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
    await api.data(SIGN_IN, credentials(owner.email, NEW))
    assert [(mail["kind"], mail["to"]) for mail in await mails(services)][-1] == ("password_changed", owner.email)
    assert problems(await api.execute(RESET, new_password(owner.email, code))) == ["input.code"]


async def test_asking_for_a_code_tells_nobody_who_has_an_account(api: Api, owner: Person, services: Services, commands: Commands) -> None:
    answers, costs = [], []
    for email in (owner.email, "nobody@example.org"):
        with commands.counting() as cost, hashing(services) as hashes:
            answers.append(await api.data(REQUEST, {"email": email}))
        costs.append((cost, hashes))
    assert answers[0] == answers[1]
    assert costs[0] == costs[1]
    assert [mail["kind"] for mail in await mails(services)] == ["verification", "password_reset", "nobody"]


async def test_a_code_that_nobody_was_sent_is_as_wrong_as_any(api: Api, owner: Person, services: Services, commands: Commands) -> None:
    answers, costs = [], []
    for email in (owner.email, "nobody@example.org"):
        await api.data(REQUEST, {"email": email})
        with commands.counting() as cost, hashing(services) as hashes:
            answers.append(await api.execute(RESET, new_password(email, "WRNG-2345")))
        costs.append((cost, hashes))
    assert answers[0] == answers[1]
    assert problems(answers[0]) == ["input.code"]
    assert costs[0] == costs[1]


async def test_a_code_for_one_thing_is_good_for_no_other(api: Api, owner: Person, services: Services) -> None:
    await api.data(REQUEST, {"email": owner.email})
    verification = await last_code(services, "verification")
    assert problems(await api.execute(RESET, new_password(owner.email, verification))) == ["input.code"]


async def test_thirty_guesses_at_a_reset_at_once_are_five_tries(api: Api, owner: Person, services: Services, database: Database) -> None:
    await api.data(REQUEST, {"email": owner.email})
    wrong = new_password(owner.email, "WRNG-2345")
    await asyncio.gather(*(api.execute(RESET, wrong) for _ in range(30)))
    assert sorted(row["tries_left"] for row in (await contents(database))["email_codes"]) == [0, 5]
    right = new_password(owner.email, await last_code(services, "password_reset"))
    assert problems(await api.execute(RESET, right)) == ["input.code"]


async def test_a_changed_password_ends_the_other_sessions_and_calls_off_what_was_asked(api: Api, owner: Person, services: Services) -> None:
    other = await another_session(api, owner)
    await api.data(REQUEST, {"email": owner.email})
    document = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { id } }"
    await api.data(document, {"input": {"email": "new@example.org", "password": PASSWORD}}, caller=other)
    assert await api.data(CHANGE, {"input": {"currentPassword": PASSWORD, "newPassword": NEW}}, caller=owner) == {
        "changePassword": {"id": owner.user_id}
    }
    await check_signed_out(services, other)
    assert (await api.data(LAST_EVENT, caller=owner))["auditEvents"]["nodes"] == [{"event": "PASSWORD_CHANGED"}]
    assert (await mails(services))[-1]["kind"] == "password_changed"
    assert problems(await api.execute(RESET, new_password(owner.email, await last_code(services, "password_reset")))) == ["input.code"]
    verify = "mutation ($code: String!) { verifyEmail(code: $code) { id } }"
    assert problems(await api.execute(verify, {"code": await last_code(services, "email_change")}, caller=owner)) == ["code"]
    await api.data(SIGN_IN, credentials(owner.email, NEW))


async def test_changing_a_password_asks_for_the_old_one(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    async with nothing_written():
        wrong = {"input": {"currentPassword": "wrong horse", "newPassword": NEW}}
        assert problems(await api.execute(CHANGE, wrong, caller=owner)) == ["input.currentPassword"]
        assert await api.code(CHANGE, wrong) == "UNAUTHENTICATED"


@pytest.mark.parametrize("password", ["short", "x" * 129])
async def test_a_new_password_has_a_length_that_is_taken(api: Api, owner: Person, password: str) -> None:
    change = {"input": {"currentPassword": PASSWORD, "newPassword": password}}
    assert problems(await api.execute(CHANGE, change, caller=owner)) == ["input.newPassword"]
    assert problems(await api.execute(RESET, new_password(owner.email, "x", password))) == ["input.newPassword"]


async def test_what_was_kept_under_an_idempotency_key_holds_no_hash(api: Api, owner: Person, database: Database) -> None:
    document = 'mutation { updateProfile(input: {name: "Ada King"}) { id name } }'
    first = await api.execute(document, caller=owner, idempotency_key="k")
    again = await api.execute(document, caller=owner, idempotency_key="k")
    assert first["data"] == again["data"]
    assert "$argon2" not in str((await contents(database))["idempotency_keys"])


async def test_a_password_cannot_be_tried_against_what_is_kept_under_an_idempotency_key(
    api: Api, owner: Person, database: Database
) -> None:
    """A fast hash of it would be worth no more than the password, however slow the other one is."""
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert "errors" not in await api.execute(CHANGE, {"input": change}, caller=owner, idempotency_key="k")
    [kept] = (await contents(database))["idempotency_keys"]
    names = {"current_password": PASSWORD, "new_password": NEW}
    guess = json.dumps(["change_password", {"input": names}, "OWNER"], sort_keys=True)
    assert len(kept["input_hash"]) == 64
    assert kept["input_hash"] != hashlib.sha256(guess.encode()).hexdigest()
