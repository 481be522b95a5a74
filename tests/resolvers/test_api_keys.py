"""API keys as owners deal with them; what they are good for is tested in tests/gql/rest."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import UnauthenticatedError
from gql.service import GraphQLService
from resolvers import api_keys
from resolvers.api_keys import KeyUses
from resolvers.auth import authenticate_key
from resolvers.services import Services
from tests.commands import Commands
from tests.datastore.failpoints import failing
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.key_ring import CREATE, LIST, REVOKE, make_key


async def test_a_key_is_shown_once_and_kept_nowhere(api: Api, owner: Person, database: Database) -> None:
    made = await make_key(api, owner, "STOCK_WRITE", "SALES_READ", "SALES_READ")
    assert made["key"].startswith(made["apiKey"]["prefix"])
    assert made["apiKey"] | {"id": ""} == {
        "id": "",
        "name": "Till 1",
        "prefix": made["key"][:13],
        "scopes": ["SALES_READ", "STOCK_WRITE"],
        "lastUsedAt": None,
        "revokedAt": None,
        "createdBy": {"name": "Ada Lovelace"},
    }
    [listed] = (await api.data(LIST, caller=owner))["apiKeys"]["nodes"]
    assert listed["id"] == made["apiKey"]["id"]
    assert made["key"] not in str(await contents(database))


async def test_a_key_gives_its_scopes_in_its_business_until_it_is_revoked(api: Api, owner: Person, services: Services) -> None:
    made = await make_key(api, owner, "SALES_READ")
    access = await authenticate_key(services, made["key"])
    assert (access.scope.account_id, access.scope.user_id, access.scope.role) == (owner.account_id, owner.user_id, "MANAGER")
    assert access.scopes == {"SALES_READ"}
    revoked = await api.data(REVOKE, {"id": made["apiKey"]["id"]}, caller=owner)
    assert revoked["revokeApiKey"]["revokedAt"] is not None
    with pytest.raises(UnauthenticatedError, match="revoked"):
        await authenticate_key(services, made["key"])
    assert await api.data(REVOKE, {"id": made["apiKey"]["id"]}, caller=owner) == revoked


async def test_a_mistyped_key_is_refused_without_asking_the_database(services: Services, commands: Commands, database: Database) -> None:
    before = commands.reads
    with pytest.raises(UnauthenticatedError, match="mistyped"):
        await authenticate_key(services, "tsk_live_" + "0" * 39)
    assert commands.reads == before


async def test_a_key_is_for_the_rest_api_alone(api: Api, owner: Person, service: GraphQLService) -> None:
    made = await make_key(api, owner)
    with pytest.raises(UnauthenticatedError, match="/api/v1"):
        await service.authenticate(f"Bearer {made['key']}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["EVERYTHING"]},
        {"scopes": [None]},
        {"scopes": 7},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\u0000b"},
        {"name": "\ud800"},
    ],
)
async def test_a_malformed_key_is_refused(api: Api, owner: Person, wrong: dict[str, object]) -> None:
    assert await api.code(CREATE, {"input": {"name": "Till", "scopes": ["SALES_READ"]} | wrong}, caller=owner) == "INVALID_INPUT"


async def test_only_the_business_itself_sees_and_revokes_its_keys(api: Api, owner: Person, stranger: Person) -> None:
    made = await make_key(api, owner)
    assert (await api.data(LIST, caller=stranger))["apiKeys"]["nodes"] == []
    assert await api.code(REVOKE, {"id": made["apiKey"]["id"]}, caller=stranger) == "NOT_FOUND"
    assert await api.code(REVOKE, {"id": owner.user_id}, caller=owner) == "INVALID_INPUT"
    for document, variables in (
        (LIST, None),
        (REVOKE, {"id": made["apiKey"]["id"]}),
        (CREATE, {"input": {"name": "x", "scopes": ["SALES_READ"]}}),
    ):
        assert await api.code(document, variables, caller=None) == "UNAUTHENTICATED"


@pytest.mark.parametrize("role", ["MANAGER", "STAFF"])
async def test_who_is_no_owner_deals_with_no_keys(api: Api, owner: Person, role: str, database: Database) -> None:
    made = await make_key(api, owner)
    update = {"q": {"user_id": owner.user_id}, "u": {"$set": {"role": role}}}
    await database.command({"update": "sessions", "updates": [update]})
    for document, variables in (
        (LIST, None),
        (REVOKE, {"id": made["apiKey"]["id"]}),
        (CREATE, {"input": {"name": "x", "scopes": ["SALES_READ"]}}),
    ):
        assert await api.code(document, variables, caller=owner) == "FORBIDDEN"


async def test_a_business_has_so_many_keys_and_no_more_also_when_two_are_made_at_once(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 3)
    first = await make_key(api, owner)
    await make_key(api, owner)
    wanted = {"input": {"name": "x", "scopes": ["SALES_READ"]}}
    answers = await asyncio.gather(*(api.execute(CREATE, wanted, caller=owner) for _ in range(3)))
    codes = sorted(answer["errors"][0]["extensions"]["code"] if "errors" in answer else "" for answer in answers)
    assert codes == ["", "CONFLICT", "CONFLICT"]
    await api.data(REVOKE, {"id": first["apiKey"]["id"]}, caller=owner)
    await make_key(api, owner)


async def test_the_use_of_a_key_is_written_once_a_minute_at_most(api: Api, owner: Person, services: Services, commands: Commands) -> None:
    made = await make_key(api, owner)
    begun = services.clock()
    now = [begun]
    clocked = replace(services, clock=lambda: now[0])
    access = await authenticate_key(services, made["key"])

    async def last_used() -> str:
        [node] = (await api.data(LIST, caller=owner))["apiKeys"]["nodes"]
        return str(node["lastUsedAt"])

    uses, of_another_process = KeyUses(clocked), KeyUses(clocked)
    await uses.note(access)
    first = await last_used()
    assert first != "None"
    now[0] = begun + timedelta(seconds=59)
    before = commands.reads
    await uses.note(access)
    assert commands.reads == before
    await of_another_process.note(access)
    assert await last_used() == first
    now[0] = begun + timedelta(seconds=60)
    await uses.note(access)
    assert await last_used() > first


async def test_a_use_that_cannot_be_written_is_no_fault(
    api: Api, owner: Person, services: Services, mongod: MongoServer, caplog: pytest.LogCaptureFixture
) -> None:
    made = await make_key(api, owner)
    access = await authenticate_key(services, made["key"])
    with caplog.at_level("INFO"):
        async with failing(mongod.uri, "find", errorCode=50):
            await KeyUses(services).note(access)
    assert made["apiKey"]["id"] in caplog.text
