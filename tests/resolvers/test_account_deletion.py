import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from datastore.database import Database
from datastore.erasing import erase_rows
from datastore.errors import UnauthenticatedError
from resolvers.account_deletion import AGAIN_AFTER
from resolvers.auth import authenticate_key
from resolvers.services import Services
from tests.gql.api import PASSWORD, Api, Person
from tests.jobs import work_off
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.filing import make_folder
from tests.resolvers.key_ring import make_key
from tests.resolvers.shop import make_product, problems
from tests.resolvers.signing import SIGN_IN, check_signed_out, credentials, mails
from tests.resolvers.spending import keep_books
from tests.resolvers.teams import join, sign_in
from tests.resolvers.till import line, sell

DELETE = "mutation ($password: String!) { deleteAccount(password: $password) }"
RIGHT = {"password": PASSWORD}
NAMES = "subscription { live { products { nodes { name } } } }"


async def bytes_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def shop_of(api: Api, person: Person) -> str:
    """Rows of many kinds, a file's bytes, and an API key, which is returned."""
    await sell(api, person, line(await make_product(api, person, stock=3)))
    await keep_books(api, person, "Rent", "2026-11-23")
    await make_folder(api, person)
    blobs = api.services.outside.blobs
    for place in ("files", "arriving"):
        await blobs.write(f"{place}/{person.account_id}/fil_1/1", "text/plain", bytes_of(b"secret"))
    key: str = (await make_key(api, person))["key"]
    return key


async def all_of(database: Database, *words: str) -> list[str]:
    """Where in the database something of somebody is left: tables whose rows hold one of these words."""
    return [table for table, rows in (await contents(database)).items() if any(word in str(rows) for word in words)]


async def keys_of(services: Services, account_id: str) -> list[str]:
    blobs = services.outside.blobs
    return [blob.key for place in ("files/", "arriving/") async for blob in blobs.find(f"{place}{account_id}/")]


@pytest.mark.slow
async def test_everything_of_an_only_owner_goes_and_nothing_of_anybody_else(
    api: Api, owner: Person, stranger: Person, services: Services, database: Database
) -> None:
    key = await shop_of(api, owner)
    await shop_of(api, stranger)
    theirs = await all_of(database, stranger.account_id, stranger.user_id)
    assert await api.data(DELETE, RIGHT, caller=owner) == {"deleteAccount": True}
    await check_signed_out(services, owner)
    with pytest.raises(UnauthenticatedError):
        await authenticate_key(services, key)
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
    assert [(mail["kind"], mail["to"]) for mail in await mails(services)] == [("account_deleted", owner.email)]
    await work_off(services, until=services.clock() + AGAIN_AFTER)
    assert await all_of(database, owner.user_id) == []
    assert await all_of(database, owner.account_id) == ["jobs"], "the work itself, which says what it erased"
    assert await keys_of(services, owner.account_id) == []
    assert await all_of(database, stranger.account_id, stranger.user_id) == theirs
    assert len(await keys_of(services, stranger.account_id)) == 2
    again = await api.sign_up(owner.email)
    assert again.user_id != owner.user_id


async def test_a_deletion_that_is_cut_short_lets_nobody_in_and_goes_on(
    api: Api, owner: Person, services: Services, database: Database
) -> None:
    await shop_of(api, owner)
    await api.data(DELETE, RIGHT, caller=owner)
    erasing = erase_rows(database, owner.account_id)
    await anext(erasing)
    await erasing.aclose()
    assert len(await all_of(database, owner.account_id)) > 5
    assert await api.code(SIGN_IN, credentials(owner.email)) == "UNAUTHENTICATED"
    await check_signed_out(services, owner)
    await work_off(services)
    assert set(await all_of(database, owner.account_id)) <= {"jobs", "job_tickets"}


async def test_what_was_written_while_the_account_went_goes_later(api: Api, owner: Person, services: Services, database: Database) -> None:
    await api.data(DELETE, RIGHT, caller=owner)
    await work_off(services)
    late: dict[str, Any] = {"_id": "prd_late", "account_id": owner.account_id, "archived": False}
    await database.command({"insert": "products", "documents": [late], "bypassDocumentValidation": True})
    await work_off(services, until=services.clock() + AGAIN_AFTER)
    assert (await contents(database))["products"] == []


async def test_all_who_work_in_the_business_stop_watching_it_within_a_second(api: Api, owner: Person, services: Services) -> None:
    clerk = await join(api, owner, "MANAGER")
    async with api.watch(NAMES, caller=clerk) as watching:
        await api.data(DELETE, RIGHT, caller=owner)
        async with asyncio.timeout(1):
            await watching.until(lambda: "errors" in watching.last)
    assert watching.last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await check_signed_out(services, clerk)
    home = await sign_in(api, clerk)
    assert home.account_id != owner.account_id


async def test_a_business_with_another_owner_loses_the_person_only(api: Api, owner: Person, services: Services, database: Database) -> None:
    heir = await join(api, owner, "OWNER")
    await make_product(api, owner, "Assam")
    await api.data(DELETE, RIGHT, caller=owner)
    await work_off(services, until=services.clock() + AGAIN_AFTER)
    data = await api.data("{ products { nodes { name } } members { nodes { userId } } }", caller=heir)
    assert data == {"products": {"nodes": [{"name": "Assam"}]}, "members": {"nodes": [{"userId": heir.user_id}]}}
    events = (await api.data("{ auditEvents(first: 1) { nodes { event detail } } }", caller=heir))["auditEvents"]["nodes"]
    assert events == [{"event": "MEMBER_REMOVED", "detail": "Ada Lovelace deleted their account; OWNER"}]
    assert owner.user_id not in str((await contents(database))["users"])


async def test_deleting_asks_for_the_password(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    async with nothing_written():
        assert problems(await api.execute(DELETE, {"password": "wrong horse"}, caller=owner)) == ["password"]
        assert problems(await api.execute(DELETE, {"password": "x" * 10_000}, caller=owner)) == ["password"]
        assert await api.code(DELETE, RIGHT) == "UNAUTHENTICATED"
