from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from datastore.errors import NotFoundError
from resolvers.services import Services
from resolvers.verify_files import GRACE, verify_files
from tests.gql.api import Api, Person
from tests.resolvers.uploading import READ, create, fetch, send, store


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Content as it comes."""
    yield content


def later(services: Services, span: timedelta) -> Services:
    """The same services after so much time."""
    now = services.clock()
    return replace(services, clock=lambda: now + span)


@pytest.fixture(autouse=True)
async def empty_store(services: Services) -> None:
    """A store without objects."""
    blobs = services.outside.blobs
    await blobs.delete([blob.key async for blob in blobs.find("")])


async def key_of(services: Services, file_id: str) -> str:
    """Where the bytes of a file lie."""
    [key] = [blob.key async for blob in services.outside.blobs.find("files/") if file_id in blob.key]
    return key


async def test_files_whose_bytes_are_gone_or_not_whole_are_told_and_marked_as_lost(
    api: Api, owner: Person, stranger: Person, services: Services
) -> None:
    blobs = services.outside.blobs
    good, gone = [await store(api, owner, content) for content in (b"good", b"gone")]
    short = await store(api, stranger, b"short")
    await create(api, owner, b"under way")
    assert (await verify_files(services)).findings == ()
    await blobs.delete([gone_key := await key_of(services, gone["id"])])
    await blobs.write(await key_of(services, short["id"]), "text/plain", once(b"shor"))
    found = await verify_files(services)
    assert set(found.findings) == {
        f"file {gone['id']}: its bytes are lost",
        f"file {short['id']}: it has 4 bytes in the store, not 5",
    }
    assert (found.files, found.objects, found.mended) == (4, 2, 0)
    assert len((await verify_files(services, owner.account_id)).findings) == 1
    assert (await verify_files(services, mend=True)).mended == 2
    assert (await verify_files(services)).findings == ()
    lost = (await api.data(READ, {"id": gone["id"]}, caller=owner))["file"]
    assert (lost["status"], lost["downloadUrl"]) == ("LOST", None)
    assert (await api.data(READ, {"id": good["id"]}, caller=owner))["file"]["status"] == "READY"
    await blobs.write(gone_key, "text/plain", once(b"gone"))
    assert (await verify_files(services, mend=True)).findings == (f"file {gone['id']}: its bytes were lost, and are there again",)
    back = (await api.data(READ, {"id": gone["id"]}, caller=owner))["file"]
    assert (await fetch(back["downloadUrl"])).content == b"gone"


async def test_old_objects_that_belong_to_no_file_are_told_and_deleted_and_young_ones_are_left_alone(
    api: Api, owner: Person, services: Services
) -> None:
    blobs = services.outside.blobs
    file = await store(api, owner, b"good")
    key = await key_of(services, file["id"])
    strays = [f"{key}0", "files/acc_0/fil_0/0", "files/zzz", f"{key.rpartition('/')[0]}/0"]
    for stray in strays:
        await blobs.write(stray, "text/plain", once(b"stray"))
    await send(await create(api, owner, b"late"), b"late")
    await blobs.begin_parts("files/parts", "text/plain")
    assert (await verify_files(services, mend=True)).findings == ()
    long_after = later(services, GRACE + services.outside.storage.upload_time + timedelta(hours=1))
    found = await verify_files(long_after)
    assert len(found.findings) == len(strays) + 2
    assert all(any(stray in line for line in found.findings) for stray in strays)
    assert (await verify_files(long_after, mend=True)).mended == len(strays) + 2
    assert [blob.key async for blob in blobs.find("")] == [key]
    assert (await verify_files(long_after)).findings == ()


async def test_an_account_that_is_not_there_is_not_looked_at(services: Services) -> None:
    with pytest.raises(NotFoundError):
        await verify_files(services, "acc_01J0000000000000000000000A")
