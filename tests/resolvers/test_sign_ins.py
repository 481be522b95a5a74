import pytest
from argon2 import PasswordHasher

from datastore.database import Database
from resolvers.services import Services
from resolvers.sessions import MOST_SESSIONS
from tests.commands import Commands
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.signing import SIGN_IN, VIEWER, check_signed_out, credentials, new_session_rows


async def test_signing_in_gives_a_session_of_its_own(api: Api, owner: Person) -> None:
    session = (await api.data(SIGN_IN, credentials(owner.email.upper())))["signIn"]
    assert session["user"] == {"id": owner.user_id, "email": owner.email, "role": "OWNER"}
    again = Person(owner.email, session["accessToken"], session["refreshToken"], owner.user_id, owner.account_id)
    await api.data("mutation { signOut }", caller=again)
    assert await api.data(VIEWER, caller=owner) == {"viewer": {"id": owner.user_id}}


async def test_an_unknown_address_and_a_wrong_password_look_alike(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    async with nothing_written(but="audit_events"):
        unknown = await api.execute(SIGN_IN, credentials("nobody@example.org"))
        wrong = await api.execute(SIGN_IN, credentials(owner.email, "wrong horse"))
        short = await api.execute(SIGN_IN, credentials(owner.email, "x"))
    assert unknown == wrong == short
    [error] = unknown["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["message"] == "E-mail or password is wrong."


async def test_an_unknown_address_costs_what_a_wrong_password_does(
    api: Api, owner: Person, services: Services, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    matches = services.passwords._matches

    def counted(stored: str, password: str) -> bool:
        verified.append(stored.rsplit("$", 2)[0])
        return matches(stored, password)

    monkeypatch.setattr(services.passwords, "_matches", counted)
    with commands.counting() as unknown:
        await api.code(SIGN_IN, credentials("nobody@example.org"))
    with commands.counting() as wrong:
        await api.code(SIGN_IN, credentials(owner.email, "wrong horse"))
    assert len(verified) == 2
    assert len(set(verified)) == 1, "the parameters, and with them the time, differ"
    assert unknown == wrong


async def test_sign_ins_are_kept_a_trail_of_and_failures_without_the_password(api: Api, owner: Person, database: Database) -> None:
    await api.data(SIGN_IN, credentials(owner.email))
    await api.code(SIGN_IN, credentials(owner.email, "wrong horse"))
    events = (await contents(database))["audit_events"]
    assert [row["event"] for row in events] == ["SIGNED_UP", "SIGNED_IN", "SIGN_IN_FAILED"]
    assert {row["user_id"] for row in events} == {owner.user_id}
    assert {row["account_id"] for row in events} == {owner.account_id}
    assert "horse" not in str(events)


async def test_a_sign_in_that_meets_a_new_password_gives_no_session(
    api: Api, owner: Person, services: Services, database: Database
) -> None:
    """The password changes between the hash and the transaction: whoever knew the old one is not let in."""
    verify = services.passwords.verify

    async def late(stored: str | None, password: str) -> bool:
        right = await verify(stored, password)
        await database.command({"update": "users", "updates": [{"q": {}, "u": {"$set": {"password_hash": "another"}}}]})
        return right

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.passwords, "verify", late)
        assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
    assert len((await contents(database))["sessions"]) == 1


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
    copies = new_session_rows(first, MOST_SESSIONS)
    await database.command({"insert": "sessions", "documents": copies})
    await api.data(SIGN_IN, credentials(owner.email))
    assert len((await contents(database))["sessions"]) == MOST_SESSIONS
    await check_signed_out(services, owner)


async def test_somebody_who_was_removed_from_the_business_cannot_sign_in(api: Api, owner: Person, database: Database) -> None:
    await database.command({"delete": "members", "deletes": [{"q": {}, "limit": 0}]})
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
