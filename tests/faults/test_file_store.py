"""A file store that is down: nothing is lost, and what was asked for happens once it is up."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from datastore.blobs import Blobs
from datastore.loopback import LOOPBACK, free_ports
from datastore.settings import Settings
from gql.service import GraphQLService
from resolvers.services import Services
from tests.gql.api import Api
from tests.jobs import work_off
from tests.resolvers.uploading import COMPLETE, DELETE, READ, USAGE, complete, create, fetch, link, send, store

pytestmark = pytest.mark.faults


@pytest.fixture
async def away(settings: Settings, services: Services) -> AsyncIterator[Services]:
    """The services, with a store behind an address where nobody listens; what is signed for clients is as ever."""
    [port] = free_ports(1)
    async with Blobs.open(settings.model_copy(update={"s3_endpoint": f"http://{LOOPBACK}:{port}"})) as blobs:
        yield replace(services, outside=replace(services.outside, blobs=blobs))


@contextmanager
def down(service: GraphQLService, away: Services) -> Iterator[None]:
    """While it lasts, this process does not reach the store."""
    before, service._services = service._services, away
    try:
        yield
    finally:
        service._services = before


async def test_an_upload_outlives_a_store_that_is_down(api: Api, service: GraphQLService, away: Services) -> None:
    owner = await api.sign_up()
    with down(service, away):
        upload = await create(api, owner, b"Hello")
        await send(upload, b"Hello")
        assert await api.code(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) == "UNAVAILABLE"
        pending = (await api.data(READ, {"id": upload["file"]["id"]}, caller=owner))["file"]
        assert pending["status"] == "PENDING"
    assert (await complete(api, owner, upload))["status"] == "READY"
    assert (await api.data(USAGE, caller=owner))["storageUsage"]["used"] == 5
    with down(service, away):
        url = await link(api, owner, upload["file"]["id"])
    assert (await fetch(url)).content == b"Hello"


async def test_a_purge_that_finds_the_store_down_is_finished_once_it_is_up(
    api: Api, services: Services, service: GraphQLService, away: Services
) -> None:
    owner = await api.sign_up()
    file = await store(api, owner, b"Hello")
    await api.data(DELETE, {"id": file["id"]}, caller=owner)
    prefix = f"files/{owner.account_id}/"
    with down(service, away):
        assert len((await api.data("mutation { emptyBin { id } }", caller=owner))["emptyBin"]) == 1
        assert (await api.data(USAGE, caller=owner))["storageUsage"]["used"] == 0
        await work_off(away, until=services.clock() + timedelta(minutes=2))
    assert len([blob async for blob in services.outside.blobs.find(prefix)]) == 1
    await work_off(services, until=services.clock() + timedelta(minutes=20))
    assert [blob async for blob in services.outside.blobs.find(prefix)] == []
    reply = await services.database.command({"count": "doomed_bytes"})
    assert reply["n"] == 0
