import asyncio
from datetime import timedelta

import pytest

from datastore.database import Database
from resolvers.codes import LIFETIME, TRIES, forget_expired_codes, normalised
from resolvers.crons import CronContext
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.shop import problems
from tests.resolvers.signing import VERIFY, last_code, shift

pytestmark = pytest.mark.usefixtures("sign_up_mail")

RESEND = "mutation { resendVerification }"


async def test_a_code_is_good_once_however_it_is_typed(api: Api, owner: Person, services: Services, database: Database) -> None:
    code = await last_code(services, "verification")
    typed = f" {code.replace('-', ' ').lower()}\n"
    assert (await api.data(VERIFY, {"code": typed}, caller=owner))["verifyEmail"]["emailVerified"]
    assert (await contents(database))["email_codes"] == []
    assert problems(await api.execute(VERIFY, {"code": code}, caller=owner)) == ["code"]


async def test_thirty_guesses_at_once_are_five_tries(api: Api, owner: Person, services: Services, database: Database) -> None:
    """Each finds the code as it was, and is counted all the same: the right one comes too late."""
    guesses = await asyncio.gather(*(api.execute(VERIFY, {"code": "WRNG-2345"}, caller=owner) for _ in range(30)))
    assert all(problems(answer) == ["code"] for answer in guesses)
    assert [row["tries_left"] for row in (await contents(database))["email_codes"]] == [0]
    assert problems(await api.execute(VERIFY, {"code": await last_code(services, "verification")}, caller=owner)) == ["code"]


async def test_the_last_try_may_be_the_right_one(api: Api, owner: Person, services: Services) -> None:
    for _ in range(TRIES - 1):
        assert problems(await api.execute(VERIFY, {"code": "WRNG-2345"}, caller=owner)) == ["code"]
    verified = await api.data(VERIFY, {"code": await last_code(services, "verification")}, caller=owner)
    assert verified["verifyEmail"]["emailVerified"]


async def test_of_many_who_enter_a_code_at_once_one_is_let_in(api: Api, owner: Person, services: Services) -> None:
    code = await last_code(services, "verification")
    answers = await asyncio.gather(*(api.execute(VERIFY, {"code": code}, caller=owner) for _ in range(TRIES)))
    assert len([answer for answer in answers if "errors" not in answer]) == 1


async def test_a_code_is_too_old_after_half_an_hour(api: Api, owner: Person, services: Services, database: Database) -> None:
    await shift(database, "email_codes", "expires_at", LIFETIME)
    assert problems(await api.execute(VERIFY, {"code": await last_code(services, "verification")}, caller=owner)) == ["code"]


async def test_a_new_code_replaces_the_one_before(api: Api, owner: Person, services: Services, database: Database) -> None:
    first = await last_code(services, "verification")
    await api.data(RESEND, caller=owner)
    assert len((await contents(database))["email_codes"]) == 1
    assert problems(await api.execute(VERIFY, {"code": first}, caller=owner)) == ["code"]
    await api.data(VERIFY, {"code": await last_code(services, "verification")}, caller=owner)


async def test_a_code_is_of_one_person(api: Api, owner: Person, stranger: Person, services: Services) -> None:
    theirs = await last_code(services, "verification", stranger.email)
    assert problems(await api.execute(VERIFY, {"code": theirs}, caller=owner)) == ["code"]


async def test_nothing_stored_says_the_code_or_whose_it_is(api: Api, owner: Person, services: Services, database: Database) -> None:
    stored = str((await contents(database))["email_codes"])
    code = await last_code(services, "verification")
    for secret in (code, code.replace("-", ""), owner.email, owner.user_id):
        assert secret not in stored
    assert code not in str((await contents(database))["jobs"])


@pytest.mark.parametrize("typed", ["", "x" * 100_000, "\ud800", "\0"])
async def test_what_is_no_code_is_refused(api: Api, owner: Person, typed: str) -> None:
    assert problems(await api.execute(VERIFY, {"code": typed}, caller=owner)) == ["code"]


def test_a_code_is_read_without_what_only_groups_it() -> None:
    assert normalised(" abcd–2345 ") == "ABCD2345"


async def test_what_nobody_confirmed_in_time_is_forgotten(api: Api, owner: Person, services: Services, database: Database) -> None:
    await forget_expired_codes(CronContext(services))
    assert len((await contents(database))["email_codes"]) == 1
    await shift(database, "email_codes", "expires_at", timedelta(days=1))
    await forget_expired_codes(CronContext(services))
    assert (await contents(database))["email_codes"] == []
