import asyncio
from datetime import timedelta

import pytest

from datastore.database import Database
from resolvers.services import Services
from resolvers.sessions import REFRESH_GRACE
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.signing import REFRESH, VIEWER, age_sessions, another_session, check_signed_out

SESSIONS = "{ sessions { nodes { id device userAgent lastUsedAt expiresAt current } } }"
REVOKE = "mutation ($id: ID!) { revokeSession(id: $id) { id current } }"


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


async def test_a_token_of_two_refreshes_ago_ends_the_session(api: Api, owner: Person, database: Database) -> None:
    """However new the newest is, one that was given up long before is known again."""
    first = (await api.data(REFRESH, {"token": owner.refresh_token}))["refreshSession"]
    await api.data(REFRESH, {"token": first["refreshToken"]})
    assert await api.code(REFRESH, {"token": owner.refresh_token}) == "UNAUTHENTICATED"
    stored = await contents(database)
    assert stored["sessions"] == []
    assert stored["audit_events"][-1]["event"] == "TOKEN_REUSED"


async def test_what_is_stored_refreshes_nothing(api: Api, owner: Person, database: Database, nothing_written: Unchanged) -> None:
    [row] = (await contents(database))["sessions"]
    async with nothing_written():
        for token in (row["refresh_hash"], row["family_hash"], f"{row['family_hash']}.{row['refresh_hash']}"):
            assert await api.code(REFRESH, {"token": token}) == "UNAUTHENTICATED"


async def test_a_person_sees_their_devices_and_which_one_asks(api: Api, owner: Person, stranger: Person) -> None:
    other = await another_session(api, owner)
    for person, expected in ((owner, [False, True]), (other, [True, False])):
        nodes = (await api.data(SESSIONS, caller=person))["sessions"]["nodes"]
        assert [node["current"] for node in nodes] == expected
        assert [(node["userAgent"], node["device"]) for node in nodes] == [("", "Unknown device")] * 2
    page = (await api.data("{ sessions(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } } }", caller=owner))["sessions"]
    assert page["pageInfo"]["hasNextPage"]
    rest = await api.data(
        "query ($after: String) { sessions(after: $after) { nodes { current } } }", {"after": page["pageInfo"]["endCursor"]}, caller=owner
    )
    assert rest["sessions"]["nodes"] == [{"current": True}]


async def test_a_device_that_is_signed_out_from_another_watches_nothing_more(api: Api, owner: Person, services: Services) -> None:
    other = await another_session(api, owner)
    document = "subscription { live { sessions { nodes { id current } } } }"
    async with api.watch(document, caller=owner) as here, api.watch(document, caller=other) as there:
        assert [node["current"] for node in there.last["data"]["live"]["sessions"]["nodes"]] == [True, False]
        assert [node["current"] for node in here.last["data"]["live"]["sessions"]["nodes"]] == [False, True]
        id = there.last["data"]["live"]["sessions"]["nodes"][0]["id"]
        assert (await api.data(REVOKE, {"id": id}, caller=owner))["revokeSession"] == {"id": id, "current": False}
        async with asyncio.timeout(1):
            await there.until(lambda: "errors" in there.last)
            await here.until(lambda: len(here.last["data"]["live"]["sessions"]["nodes"]) == 1)
    assert there.last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await check_signed_out(services, other)
    assert await api.code(REVOKE, {"id": id}, caller=owner) == "NOT_FOUND"


async def test_a_session_of_somebody_else_cannot_be_seen_or_ended(api: Api, owner: Person, stranger: Person) -> None:
    [theirs] = (await api.data(SESSIONS, caller=stranger))["sessions"]["nodes"]
    assert await api.code(REVOKE, {"id": theirs["id"]}, caller=owner) == "NOT_FOUND"
    assert await api.data("query ($id: ID!) { node(id: $id) { id } }", {"id": theirs["id"]}, caller=owner) == {"node": None}
    assert problems(await api.execute(REVOKE, {"id": owner.user_id}, caller=owner)) == ["id"]


@pytest.mark.parametrize("keep", [False, True])
async def test_signing_out_everywhere_leaves_this_device_if_it_shall(api: Api, owner: Person, services: Services, keep: bool) -> None:
    other = await another_session(api, owner)
    await api.data("mutation ($keep: Boolean!) { signOutEverywhere(keepCurrent: $keep) }", {"keep": keep}, caller=owner)
    await check_signed_out(services, other)
    if keep:
        await api.data(VIEWER, caller=owner)
    else:
        await check_signed_out(services, owner)
