import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import TillstreamError
from resolvers import invitations, members
from resolvers.codes import forget_expired_codes
from resolvers.crons import CronContext
from resolvers.functions import marking_of
from resolvers.runs import Run
from resolvers.services import Services
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.post import post_office, text_of
from tests.resolvers.shop import problems
from tests.resolvers.signing import shift
from tests.resolvers.teams import ACCEPT, INVITE, RESEND, REVOKE, accept, code_for, invite, join

DELETE = "mutation ($password: String!) { deleteAccount(password: $password) }"
LIST = "query ($status: InvitationStatus) { invitations(status: $status) { nodes { id email role status invitedBy { name } } } }"


async def test_who_is_invited_by_mail_joins_with_the_code_of_it(api: Api, owner: Person, services: Services) -> None:
    made = await invite(api, owner, " Grace@Example.org ", "MANAGER")
    assert (made["email"], made["role"], made["status"], made["invitedBy"]["name"]) == (
        "grace@example.org",
        "MANAGER",
        "PENDING",
        "Ada Lovelace",
    )
    code = await code_for(api, "grace@example.org")
    async with post_office(services) as post:
        await post.work()
        [message] = post.messages
        assert post.recipients == ["grace@example.org"]
        assert code in text_of(message)
    grace = await api.sign_up("grace@example.org", "Grace Hopper")
    joined = await accept(api, grace, code)
    assert (joined["name"], joined["role"], joined["accountId"]) == ("Grace Hopper", "MANAGER", owner.account_id)
    assert (await api.data("{ viewer { emailVerified } }", caller=grace))["viewer"]["emailVerified"]
    assert (await api.data(LIST, {"status": "ACCEPTED"}, caller=owner))["invitations"]["nodes"][0]["id"] == made["id"]
    assert await api.code(ACCEPT, {"code": code}, caller=grace) == "NOT_FOUND"


async def test_the_code_is_kept_nowhere(api: Api, owner: Person, database: Database) -> None:
    await invite(api, owner, "grace@example.org")
    assert await code_for(api, "grace@example.org") not in str(await contents(database))


async def test_a_code_is_good_for_nobody_else(api: Api, owner: Person, stranger: Person, nothing_written: Unchanged) -> None:
    await invite(api, owner, "grace@example.org")
    code = await code_for(api, "grace@example.org")
    async with nothing_written():
        for wrong in (code, "", "x", code[:-1], "\0" * 5000):
            assert await api.code(ACCEPT, {"code": wrong}, caller=stranger) == "NOT_FOUND"
        assert await api.code(ACCEPT, {"code": code}) == "UNAUTHENTICATED"


async def test_an_invitation_expires_after_seven_days(api: Api, services: Services, owner: Person) -> None:
    await invite(api, owner, "grace@example.org")
    code = await code_for(api, "grace@example.org")
    grace = await api.sign_up("grace@example.org")
    later = replace(services, clock=lambda: services.clock() + timedelta(days=7, seconds=1))
    assert await _accepted_with(later, api, grace, code) == "NOT_FOUND"
    sooner = replace(services, clock=lambda: services.clock() + timedelta(days=6, hours=23))
    assert await _accepted_with(sooner, api, grace, code) == ""


async def test_a_code_that_is_too_old_is_forgotten_and_the_invitation_can_be_sent_again(
    api: Api, owner: Person, services: Services, database: Database
) -> None:
    made = await invite(api, owner, "grace@example.org")
    await forget_expired_codes(CronContext(services))
    assert len((await contents(database))["invitation_codes"]) == 1
    await shift(database, "invitation_codes", "expires_at", timedelta(days=8))
    await forget_expired_codes(CronContext(services))
    assert (await contents(database))["invitation_codes"] == []
    await api.data(RESEND, {"id": made["id"]}, caller=owner)
    assert len((await contents(database))["invitation_codes"]) == 1


async def _accepted_with(services: Services, api: Api, person: Person, code: str) -> str:
    """The code of the error with which a process whose clock goes otherwise refuses, if it does."""
    marking = marking_of(invitations.accept_invite)
    assert marking is not None
    try:
        await Run(services, await api.scope_of(person)).mutate(invitations.accept_invite, marking, {"code": code}, "x")
    except TillstreamError as error:
        return error.code
    return ""


async def test_an_invitation_sent_again_has_a_new_code_and_a_revoked_one_none(api: Api, owner: Person) -> None:
    made = await invite(api, owner, "grace@example.org")
    first = await code_for(api, "grace@example.org")
    again = (await api.data(RESEND, {"id": made["id"]}, caller=owner))["resendInvite"]
    assert again["expiresAt"] >= made["expiresAt"]
    second = await code_for(api, "grace@example.org")
    grace = await api.sign_up("grace@example.org")
    assert await api.code(ACCEPT, {"code": first}, caller=grace) == "NOT_FOUND"
    for _ in range(2):
        assert (await api.data(REVOKE, {"id": made["id"]}, caller=owner))["revokeInvite"]["status"] == "REVOKED"
    assert await api.code(ACCEPT, {"code": second}, caller=grace) == "NOT_FOUND"
    assert await api.code(RESEND, {"id": made["id"]}, caller=owner) == "CONFLICT"
    await invite(api, owner, "grace@example.org")
    await accept(api, grace, await code_for(api, "grace@example.org"))


async def test_accepting_at_once_with_a_revocation_ends_in_one_of_the_two(api: Api, owner: Person) -> None:
    made = await invite(api, owner, "grace@example.org")
    code = await code_for(api, "grace@example.org")
    grace = await api.sign_up("grace@example.org")
    accepted, revoked = await asyncio.gather(
        api.execute(ACCEPT, {"code": code}, caller=grace), api.execute(REVOKE, {"id": made["id"]}, caller=owner)
    )
    assert ("errors" in accepted) != ("errors" in revoked)


async def test_nobody_is_invited_twice_or_who_is_a_member(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    await invite(api, owner, "grace@example.org")
    async with nothing_written():
        for email in ("grace@example.org", owner.email):
            assert await api.code(INVITE, {"input": {"email": email, "role": "STAFF"}}, caller=owner) == "CONFLICT"
        wrong = await api.execute(INVITE, {"input": {"email": "nobody", "role": "STAFF"}}, caller=owner)
        assert problems(wrong) == ["input.email"]
    answers = await asyncio.gather(
        *(api.execute(INVITE, {"input": {"email": "twice@example.org", "role": "STAFF"}}, caller=owner) for _ in range(3))
    )
    assert sorted("errors" in answer for answer in answers) == [False, True, True]


async def test_an_address_with_an_account_is_answered_as_one_without(api: Api, owner: Person, stranger: Person) -> None:
    known, unknown = await invite(api, owner, stranger.email), await invite(api, owner, "nobody@example.org")
    same = {"id": "", "email": "", "expiresAt": ""}
    assert known | same == unknown | same


async def test_a_business_has_so_many_members_and_no_more(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, invitations):
        monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    await join(api, owner, "STAFF")
    await invite(api, owner, "third@example.org")
    assert await api.code(INVITE, {"input": {"email": "fourth@example.org", "role": "STAFF"}}, caller=owner) == "CONFLICT"


async def test_an_invitation_that_expired_is_sent_again_only_where_it_could_be_made(
    api: Api, owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the most members there is nobody who is let go when the business is closed."""
    for module in (members, invitations):
        monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    made = await invite(api, owner, "grace@example.org", "OWNER")
    await shift(database, "invitations", "expires_at", timedelta(days=8))
    again = await invite(api, owner, "grace@example.org")
    assert await api.code(RESEND, {"id": made["id"]}, caller=owner) == "CONFLICT"
    await api.data(REVOKE, {"id": again["id"]}, caller=owner)
    await invite(api, owner, "second@example.org")
    third = await invite(api, owner, "third@example.org")
    assert await api.code(RESEND, {"id": made["id"]}, caller=owner) == "CONFLICT"
    await api.data(RESEND, {"id": third["id"]}, caller=owner)


async def test_who_deletes_their_account_while_they_accept_is_no_member(
    api: Api, owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner who is nobody would keep a business alive that nobody gets into."""
    grace = await api.sign_up("grace@example.org")
    await database.command({"update": "users", "updates": [{"q": {}, "u": {"$set": {"email_verified": True}}, "multi": True}]})
    await invite(api, owner, grace.email, "OWNER")
    code, join_now = await code_for(api, grace.email), invitations._join
    leaving: list[asyncio.Task[Any]] = []

    async def join_late(*args: Any) -> Any:
        """Leaves the deletion time to come first, or to find that it must wait."""
        if not leaving:
            leaving.append(asyncio.create_task(api.data(DELETE, {"password": PASSWORD}, caller=grace)))
            await asyncio.wait(leaving, timeout=1)
        return await join_now(*args)

    monkeypatch.setattr(invitations, "_join", join_late)
    await api.execute(ACCEPT, {"code": code}, caller=grace)
    assert await leaving[0] == {"deleteAccount": True}
    assert {row["user_id"] for table in ("members", "memberships") for row in (await contents(database))[table]} == {owner.user_id}


@pytest.mark.parametrize(("role", "reads"), [("MANAGER", True), ("STAFF", False)])
async def test_who_is_no_owner_invites_nobody(api: Api, owner: Person, role: str, reads: bool) -> None:
    other = await join(api, owner, role)
    made = await invite(api, owner, "grace@example.org")
    wanted = {"input": {"email": "mine@example.org", "role": "OWNER"}}
    assert await api.code(INVITE, wanted, caller=other) == "FORBIDDEN"
    for document in (RESEND, REVOKE):
        assert await api.code(document, {"id": made["id"]}, caller=other) == "FORBIDDEN"
    if reads:
        assert len((await api.data(LIST, caller=other))["invitations"]["nodes"]) == 2
    else:
        assert await api.code(LIST, caller=other) == "FORBIDDEN"


async def test_an_invitation_of_another_business_is_not_found(api: Api, owner: Person, stranger: Person) -> None:
    made = await invite(api, owner, "grace@example.org")
    for document in (RESEND, REVOKE):
        assert await api.code(document, {"id": made["id"]}, caller=stranger) == "NOT_FOUND"
