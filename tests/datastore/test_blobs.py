import hashlib
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from datastore import blobs as module
from datastore.blobs import Blobs, NoBlobError, Part, signer_of
from datastore.errors import UnavailableError
from datastore.loopback import LOOPBACK
from datastore.settings import Settings

PART = 5 << 20


async def chunks_of(content: bytes, length: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), length):
        yield content[start : start + length]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Blobs]:
    async with Blobs.open(settings) as blobs:
        await blobs.prepare()
        yield blobs


async def read(blobs: Blobs, key: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key)])


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1])
async def test_what_was_written_as_it_came_is_read_again(store: Blobs, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", PART)
    content = bytes(index % 251 for index in range(251)) * (size // 251 + 1)
    content, key = content[:size], f"blobs/{size}"
    stored = await store.write(key, "text/plain", chunks_of(content))
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert await read(store, key) == content
    found = await store.head(key)
    assert found is not None
    assert found.size == size
    await store.copy(key, f"{key}/copy")
    assert await read(store, f"{key}/copy") == content
    await store.delete([key, f"{key}/copy", "blobs/never"])
    assert await store.head(key) is None


@pytest.mark.parametrize("size", [10, PART + 1])
async def test_of_what_was_cut_off_while_it_was_written_nothing_is_there(store: Blobs, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", PART)

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(size)
        raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        await store.write("blobs/cut", "text/plain", broken())
    assert await store.head("blobs/cut") is None
    assert [upload async for upload in store.open_uploads("blobs/cut")] == []


async def test_what_is_not_there_says_so(store: Blobs) -> None:
    with pytest.raises(NoBlobError):
        await read(store, "blobs/nothing")
    with pytest.raises(NoBlobError):
        await store.copy("blobs/nothing", "blobs/other")
    upload_id = await store.begin_parts("blobs/parts", "text/plain")
    assert await store.parts("blobs/parts", upload_id) == []
    await store.drop_parts("blobs/parts", upload_id)
    await store.drop_parts("blobs/parts", upload_id)
    with pytest.raises(NoBlobError):
        await store.finish_parts("blobs/parts", upload_id, [Part(1, 5, '"x"')])


async def test_objects_come_in_the_order_of_their_keys(store: Blobs) -> None:
    for key in ("list/b", "list/a/2", "list/a/1", "lists"):
        await store.write(key, "text/plain", chunks_of(b"x"))
    assert [blob.key async for blob in store.find("list/")] == ["list/a/1", "list/a/2", "list/b"]
    await store.delete(["list/b", "list/a/2", "list/a/1", "lists"])


@pytest.mark.slow
async def test_a_store_that_does_not_answer_is_unavailable(settings: Settings) -> None:
    away = settings.model_copy(update={"s3_endpoint": f"http://{LOOPBACK}:9"})
    async with Blobs.open(away) as blobs:
        with pytest.raises(UnavailableError):
            await blobs.prepare()
        with pytest.raises(UnavailableError):
            await blobs.head("x")
        await blobs.delete_quietly("x")


async def test_a_store_that_refuses_our_keys_is_unavailable(settings: Settings) -> None:
    async with Blobs.open(settings.model_copy(update={"s3_secret_key": SecretStr("wrong")})) as blobs:
        with pytest.raises(UnavailableError):
            await blobs.ping()


async def test_browsers_of_the_allowed_origins_may_upload(settings: Settings) -> None:
    async with Blobs.open(settings.model_copy(update={"allowed_origins": ("https://shop.example",)})) as blobs:
        await blobs.prepare()
        rules = await blobs._client.get_bucket_cors(Bucket=blobs.bucket)
        assert rules["CORSRules"][0]["AllowedOrigins"] == ["https://shop.example"]
        await blobs._client.delete_bucket_cors(Bucket=blobs.bucket)


async def test_clients_are_sent_to_the_public_address_of_the_store(settings: Settings) -> None:
    public = signer_of(settings.model_copy(update={"s3_public_endpoint": "https://files.example.org"}))
    assert public is not None
    assert public.form_url == f"https://files.example.org/{settings.s3_bucket}"
    assert signer_of(Settings(env="test")) is None
