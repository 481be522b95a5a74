import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from datastore.database import Database
from datastore.schema import File
from resolvers import file_bin
from resolvers.file_bin import delete_bytes
from resolvers.file_rows import LINGERS
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.uploading import DELETE, READ, USAGE, create, fetch, link, send, store

EMPTY = "mutation { emptyBin { id name } }"
BIN = "{ binnedFiles { nodes { name } } }"
DAY = timedelta(days=1)


async def objects(services: Services, person: Person) -> list[str]:
    """All that the store has of somebody."""
    blobs = services.outside.blobs
    return [blob.key for area in ("files/", "arriving/") async for blob in blobs.find(f"{area}{person.account_id}/")]


async def used(api: Api, person: Person) -> tuple[int, int]:
    """How many files, and how many bytes, somebody has."""
    usage = (await api.data(USAGE, caller=person))["storageUsage"]
    return usage["files"], usage["used"]


async def binned(api: Api, person: Person) -> list[str]:
    """The names of what is in the bin."""
    return [node["name"] for node in (await api.data(BIN, caller=person))["binnedFiles"]["nodes"]]


async def passing(services: Services, span: timedelta) -> None:
    """Carries out what falls due within so much time, and what follows from it."""
    for moment in (span, span + timedelta(minutes=2)):
        await work_off(services, until=services.clock() + moment)


async def throw_away(api: Api, person: Person, name: str = "note.txt", content: bytes = b"Hello") -> dict[str, Any]:
    """A file in the bin."""
    file = await store(api, person, content, name)
    await api.data(DELETE, {"id": file["id"]}, caller=person)
    return file


async def test_the_bin_shows_the_last_deleted_first_and_is_emptied_for_good(
    api: Api, owner: Person, stranger: Person, services: Services
) -> None:
    kept = await store(api, owner, b"kept", "kept.txt")
    for name in ("a", "b"):
        await throw_away(api, owner, name)
    theirs = await throw_away(api, stranger)
    url = await link(api, owner, kept["id"])
    assert await binned(api, owner) == ["b", "a"]
    gone = (await api.data(EMPTY, caller=owner))["emptyBin"]
    assert {file["name"] for file in gone} == {"a", "b"}
    assert (await binned(api, owner), await used(api, owner)) == ([], (1, 4))
    assert (await api.data(EMPTY, caller=owner))["emptyBin"] == []
    await work_off(services, until=services.clock() + timedelta(minutes=2))
    assert len(await objects(services, owner)) == 1
    assert (await fetch(url)).content == b"kept"
    assert await binned(api, stranger) == [theirs["name"]]
    assert await api.code(EMPTY) == "UNAUTHENTICATED"


async def test_what_is_more_than_one_transaction_deletes_follows_by_itself(
    api: Api, owner: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_bin, "AT_ONCE", 2)
    for name in "abcde":
        await throw_away(api, owner, name)
    assert len((await api.data(EMPTY, caller=owner))["emptyBin"]) == 2
    later = await throw_away(api, owner, "later")
    await work_off(services)
    assert await binned(api, owner) == [later["name"]]


async def test_files_go_when_they_have_been_in_the_bin_for_long_enough_and_not_before(
    api: Api, owner: Person, stranger: Person, services: Services
) -> None:
    for person in (owner, stranger):
        await throw_away(api, person)
        await store(api, person, b"kept")
    storage = replace(services.outside.storage, bin_time=2 * DAY)  # sessions last no longer than files in the bin usually do
    hasty = replace(services, outside=replace(services.outside, storage=storage))
    await passing(hasty, DAY)
    assert await used(api, owner) == (2, 9)
    await passing(hasty, 2 * DAY + timedelta(hours=1))
    for person in (owner, stranger):
        assert await used(api, person) == (1, 4)
        assert len(await objects(services, person)) == 1


async def test_an_upload_that_nobody_completes_gives_back_what_it_took(api: Api, owner: Person, services: Services) -> None:
    upload = await create(api, owner, b"x")
    await send(upload, b"x")
    await store(api, owner, b"done")
    over = services.outside.storage.upload_time + LINGERS
    await passing(services, over - timedelta(hours=1))
    assert await used(api, owner) == (2, 5)
    await passing(services, over + timedelta(hours=1))
    assert await used(api, owner) == (1, 4)
    assert len(await objects(services, owner)) == 1


async def test_what_was_sent_again_after_it_was_completed_is_swept_away(api: Api, owner: Person, services: Services) -> None:
    upload = await create(api, owner, b"x")
    for _ in range(2):
        await send(upload, b"x")
        await api.data(f'mutation {{ completeUpload(fileId: "{upload["file"]["id"]}") {{ id }} }}', caller=owner)
    assert len(await objects(services, owner)) == 2
    await work_off(services, until=services.clock() + services.outside.storage.upload_time + 2 * LINGERS + timedelta(hours=2))
    assert len(await objects(services, owner)) == 1


async def test_a_file_that_is_restored_while_it_is_purged_is_either_there_or_gone(
    api: Api, owner: Person, services: Services, database: Database
) -> None:
    file = await throw_away(api, owner)
    restore = f'mutation {{ restoreFile(id: "{file["id"]}") {{ id }} }}'
    await asyncio.gather(api.execute(restore, caller=owner), api.execute(EMPTY, caller=owner))
    await work_off(services, until=services.clock() + timedelta(minutes=2))
    found = (await api.data(READ, {"id": file["id"]}, caller=owner))["file"]
    if found is None:
        assert (await objects(services, owner), await used(api, owner)) == ([], (0, 0))
    else:
        assert (await fetch(found["downloadUrl"])).content == b"Hello"
    reply = await database.command({"count": File.spec.name})
    assert reply["n"] == (found is not None)


async def test_all_that_begins_so_is_deleted_uploads_in_parts_too(services: Services) -> None:
    blobs = services.outside.blobs
    for key in ("files/doomed/1", "files/doomed/2", "files/doomer"):
        await blobs.write(key, "text/plain", _once(b"x"))
    upload_id = await blobs.begin_parts("files/doomed/3", "text/plain")
    await delete_bytes(blobs, "files/doomed/")
    assert [blob.key async for blob in blobs.find("files/doome")] == ["files/doomer"]
    assert [upload async for upload in blobs.open_uploads("files/doomed/")] == []
    assert upload_id
    await delete_bytes(blobs, "files/doome")


async def _once(content: bytes) -> Any:
    yield content
