"""Large files: read by a job, in parts where they are larger still."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from resolvers import uploads
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.uploading import COMPLETE, READ, complete, create, fetch, send

PART = 5 << 20
LIVE = "subscription ($id: ID!) { live { file(id: $id) { status problem } } }"


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is verified by a job."""
    monkeypatch.setattr(uploads, "LONGEST_AT_ONCE", 0)


@pytest.fixture
def parted(api: Api) -> Iterator[Api]:
    """The API of a deployment where files are sent in parts of 5 MiB, the least that S3 takes."""
    outside = replace(api.services.outside, storage=replace(api.services.outside.storage, part_bytes=PART))
    before, api.service._services = api.service._services, replace(api.services, outside=outside)
    yield api
    api.service._services = before


async def state(api: Api, person: Person, upload: dict[str, Any]) -> dict[str, Any]:
    """A file as it is now."""
    found: dict[str, Any] = (await api.data(READ, {"id": upload["file"]["id"]}, caller=person))["file"]
    return found


@pytest.mark.usefixtures("unhurried")
async def test_a_large_file_is_verified_by_a_job_that_can_be_watched(api: Api, owner: Person, services: Services) -> None:
    upload = await create(api, owner, b"Good")
    await send(upload, b"Good")
    async with api.watch(LIVE, {"id": upload["file"]["id"]}, caller=owner) as watching:
        verifying = await complete(api, owner, upload)
        assert verifying["status"] == "VERIFYING"
        assert await complete(api, owner, upload) == verifying
        await send(upload, b"Evil")
        await work_off(services)
        await watching.until(lambda: watching.last["data"]["live"]["file"]["status"] == "READY")
    file = await state(api, owner, upload)
    assert (await fetch(file["downloadUrl"])).content == b"Good"


@pytest.mark.usefixtures("unhurried")
async def test_a_large_file_that_is_not_what_it_should_be_says_why(api: Api, owner: Person, services: Services) -> None:
    upload = await create(api, owner, b"Good", sha256=hashlib.sha256(b"Good").hexdigest())
    await send(upload, b"Evil")
    await complete(api, owner, upload)
    await work_off(services)
    file = await state(api, owner, upload)
    assert (file["status"], file["downloadUrl"]) == ("REFUSED", None)
    assert hashlib.sha256(b"Evil").hexdigest() in file["problem"]


async def test_a_file_in_parts_is_joined_once_all_of_them_are_there_and_then_stays(parted: Api, owner: Person) -> None:
    content = bytes(PART) + b"end"
    upload = await create(parted, owner, content, "big.bin", "application/octet-stream")
    assert (upload["method"], upload["url"], [part["size"] for part in upload["parts"]]) == ("PUT", None, [PART, 3])
    async with httpx.AsyncClient(timeout=30) as client:
        second = upload["parts"][1]
        assert (await client.put(second["url"], content=b"END")).status_code == 200
        assert (await client.put(second["url"], content=b"long")).status_code in {400, 403}
        assert await parted.code(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) == "CONFLICT"
        for part, piece in zip(upload["parts"], (content[:PART], content[PART:]), strict=True):
            assert (await client.put(part["url"], content=piece)).status_code == 200
        assert (await complete(parted, owner, upload))["status"] == "READY"
        assert (await client.put(second["url"], content=b"EVE")).status_code == 404
    file = await state(parted, owner, upload)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert (await fetch(file["downloadUrl"])).content == content
