"""The real servers that the tests run on: one MongoDB and one S3 store for each worker, emptied between tests.

Callers are a parameter: nobody (None), or as many people as `api.sign_up()` makes, each with a business of their own.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import hypothesis
import pytest
from pydantic import SecretStr

from datastore.database import Database
from datastore.embedded import BlobServer, MongoServer, embedded_blobs, embedded_mongod
from datastore.migrate import migrate
from datastore.rate_limits import COLLECTION as RATE_LIMITS
from datastore.schema import TABLES, Account, User
from datastore.scope import Scope, grant
from datastore.settings import Settings
from gql.app import create_app, open_service, open_services
from gql.service import GraphQLService
from resolvers.passwords import Passwords
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import Api
from tests.serving import serving_app
from tests.stripe_server import WEBHOOK_SECRET, LocalStripe, localstripe

hypothesis.settings.register_profile("here", deadline=None)
# How long an example takes says how busy the machine is: what must be fast is measured in bench/.
hypothesis.settings.load_profile("here")

LIMIT_SECONDS = 10
DATABASE = "tillstream_test"


@pytest.fixture(scope="session")
def commands() -> Commands:
    """What is sent to MongoDB, counted."""
    return Commands()


@pytest.fixture(scope="session")
async def mongod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MongoServer]:
    """A one-node replica set; fail points are on."""
    async with embedded_mongod(tmp_path_factory.mktemp("mongod"), parameters={"enableTestCommands": "1"}) as server:
        yield server


@pytest.fixture(scope="session")
async def blob_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlobServer]:
    """An S3 store."""
    async with embedded_blobs(tmp_path_factory.mktemp("blobs")) as server:
        yield server


@pytest.fixture(scope="session")
async def stripe() -> AsyncIterator[LocalStripe]:
    """A Stripe of this worker's own."""
    async with localstripe() as server:
        yield server


@pytest.fixture(scope="session")
def settings(mongod: MongoServer, blob_server: BlobServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that name the servers of this worker."""
    return Settings(
        env="test",
        data_dir=tmp_path_factory.mktemp("tillstream"),
        mongodb_uri=mongod.uri,
        mongodb_database=DATABASE,
        s3_endpoint=blob_server.endpoint,
        s3_access_key=SecretStr(blob_server.access_key),
        s3_secret_key=SecretStr(blob_server.secret_key),
        # One address and a few people do here what a town does elsewhere.
        address_limits=1e6,
        max_cost_per_minute=10**12,
        max_anonymous_cost_per_minute=10**12,
        max_key_requests_per_minute=10**9,
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
    )


@pytest.fixture(scope="session")
async def services(commands: Commands, settings: Settings) -> AsyncIterator[Services]:
    """The services of one process on a migrated database, with passwords that are hashed cheaply: nearly every test signs somebody up."""
    async with open_services(settings) as services:
        await migrate(services.database)
        await services.outside.blobs.prepare()
        cheap = Passwords(memory_kib=8, passes=1, least_score=0)
        yield replace(services, passwords=cheap)
        cheap.close()


@pytest.fixture
async def database(services: Services) -> Database:
    """The migrated database, empty."""
    await empty(services.database)
    return services.database


@pytest.fixture(scope="session")
async def running_service(services: Services) -> AsyncIterator[GraphQLService]:
    """The schema and its live engine, which outlive a test as they outlive a client."""
    async with open_service(services) as service:
        yield service


@pytest.fixture
async def service(database: Database, running_service: GraphQLService) -> GraphQLService:
    """The schema with its live engine, on an empty database, watched by nobody any more."""
    assert running_service.engine is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        while running_service.engine.subscribers:
            await asyncio.sleep(0.01)
    return running_service


@pytest.fixture
def api(service: GraphQLService, services: Services) -> Api:
    """The public API, without a transport between."""
    return Api(service, services)


@pytest.fixture
def scope() -> Scope:
    """Somebody's scope, for tests below the API."""
    return grant(Account.new_id(), User.new_id(), "OWNER")


@pytest.fixture
async def live_server(service: GraphQLService, services: Services, settings: Settings) -> AsyncIterator[str]:
    """The base URL of the whole application on uvicorn."""
    async with serving_app(create_app(service, services), settings) as url:
        yield url


async def empty(database: Database) -> None:
    """Deletes every row of every table: rolling back is no option, for a change stream never sees what was not committed."""
    names = [*(table.spec.name for table in TABLES), RATE_LIMITS]
    one_of_each = [[{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}] for name in names]
    others = [{"$unionWith": {"coll": name, "pipeline": stages}} for name, stages in zip(names[1:], one_of_each[1:], strict=True)]
    reply = await database.command({"aggregate": names[0], "pipeline": [*one_of_each[0], *others], "cursor": {}})
    filled = [found["_id"] for found in reply["cursor"]["firstBatch"]]
    await asyncio.gather(*(database.command({"delete": name, "deletes": [{"q": {}, "limit": 0}]}) for name in filled))
