from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from datastore.embedded import BlobServer, MongoServer
from datastore.settings import Settings
from tests.faults.replica_set import ReplicaSet, three_nodes


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory, blob_server: BlobServer) -> Settings:
    """Settings that name the S3 store, and no MongoDB yet."""
    return Settings(
        env="test",
        address_limits=0,
        max_cost_per_minute=10**12,
        data_dir=tmp_path_factory.mktemp("tillstream"),
        s3_endpoint=blob_server.endpoint,
        s3_access_key=SecretStr(blob_server.access_key),
        s3_secret_key=SecretStr(blob_server.secret_key),
    )


@pytest.fixture(scope="package")
async def shared_set(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicaSet]:
    """Three nodes, which all tests of this folder share."""
    async with three_nodes(tmp_path_factory.mktemp("set")) as replica_set:
        yield replica_set


@pytest.fixture
async def replica_set(shared_set: ReplicaSet) -> AsyncIterator[ReplicaSet]:
    """Three nodes, all well before and after."""
    await shared_set.heal()
    yield shared_set
    await shared_set.heal()


@pytest.fixture
async def impatient_mongod(mongod: MongoServer) -> AsyncIterator[None]:
    """A server that ends in seconds what a killed process left open: until then nobody else can write what it wrote."""
    async with AsyncMongoClient[dict[str, Any]](mongod.uri) as client:
        before = await client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": 4})
        yield
        await client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": before["was"]})
