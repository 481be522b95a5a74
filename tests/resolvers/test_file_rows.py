"""The quota, however many want it at once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from resolvers import verification
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.uploading import COMPLETE, CREATE, READ, USAGE, create, send, store, wanted


@pytest.fixture
def small(api: Api) -> Iterator[Api]:
    """The API of a deployment where a business may have 100 bytes."""
    outside = replace(api.services.outside, storage=replace(api.services.outside.storage, quota_bytes=100))
    before, api.service._services = api.service._services, replace(api.services, outside=outside)
    yield api
    api.service._services = before


async def test_uploads_begun_together_never_take_more_than_the_quota(small: Api, owner: Person, stranger: Person) -> None:
    variables = {"input": wanted(bytes(30))}
    answers = await asyncio.gather(*(small.execute(CREATE, variables, caller=owner) for _ in range(8)))
    codes = sorted(answer["errors"][0]["extensions"]["code"] if "errors" in answer else "" for answer in answers)
    assert codes == [""] * 3 + ["CONFLICT"] * 5
    assert (await small.data(USAGE, caller=owner))["storageUsage"] == {"used": 90, "quota": 100, "files": 3}
    assert (await small.data(USAGE, caller=stranger))["storageUsage"] == {"used": 0, "quota": 100, "files": 0}
    refused = await small.execute(CREATE, variables, caller=owner)
    assert "10 are free" in refused["errors"][0]["message"]
    await small.data(CREATE, {"input": wanted(bytes(10))}, caller=owner)


async def test_a_file_of_another_size_than_said_never_passes(small: Api, owner: Person) -> None:
    upload = await create(small, owner, bytes(60), content_type="application/octet-stream")
    assert (await send(upload, bytes(61))).status_code in {400, 403}
    assert await small.code(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) == "CONFLICT"


async def test_a_file_that_was_settled_is_not_settled_again(
    api: Api, owner: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LONGEST_AT_ONCE", 0)
    file = await store(api, owner)
    await work_off(services)
    assert (await api.data(READ, {"id": file["id"]}, caller=owner))["file"]["status"] == "READY"
