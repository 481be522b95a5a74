from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from datastore.database import Database
from datastore.migrate import migrate
from datastore.schema import TABLES
from datastore.settings import Settings
from gql.app import open_services
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.receivers import Receiver, receiving
from tests.resolvers.broken_books import seeded
from tests.resolvers.card_desk import Desk, card_desk
from tests.resolvers.errands import Diary, new_diary
from tests.stripe_server import LocalStripe, Road, bad_road

Unchanged = Callable[..., AbstractAsyncContextManager[None]]


async def contents(database: Database) -> dict[str, list[Any]]:
    """Every stored document."""
    found = {}
    for table in TABLES:
        reply = await database.command({"find": table.spec.name, "sort": {"_id": 1}, "batchSize": 10_000})
        found[table.spec.name] = list(reply["cursor"]["firstBatch"])
    return found


@pytest.fixture
def nothing_written(database: Database) -> Unchanged:
    """A context in which the database must stay as it is, to the last document, `but` for one table."""

    @asynccontextmanager
    async def unchanged(but: str | None = None) -> Any:
        before = await contents(database)
        yield
        after = await contents(database)
        if but is not None:
            del before[but], after[but]
        assert after == before

    return unchanged


@pytest.fixture
def sign_up_mail(api: Api) -> None:
    """Leaves the mail that confirms an address among the jobs."""
    api.mails_who_signs_up = True


@pytest.fixture
async def owner(api: Api) -> Person:
    """Somebody with a business."""
    return await api.sign_up(name="Ada Lovelace")


@pytest.fixture
async def stranger(api: Api) -> Person:
    """Somebody with another business."""
    return await api.sign_up(name="Mallory")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks that takes everything."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def desk(api: Api, owner: Person, services: Services, stripe: LocalStripe) -> AsyncIterator[Desk]:
    """A desk on a good road to Stripe."""
    async with card_desk(api, owner, services, stripe.url) as desk:
        yield desk


@pytest.fixture
async def road(stripe: LocalStripe) -> AsyncIterator[Road]:
    """A road to Stripe on which answers are lost."""
    async with bad_road(stripe) as road:
        yield road


@pytest.fixture
def diary() -> Diary:
    """What the errands of a test do."""
    return new_diary()


@pytest.fixture(scope="session")
async def kept_books(settings: Settings) -> AsyncIterator[Services]:
    """Two shops with months of trade, in a database of their own: who changes something there puts it back."""
    async with open_services(settings.model_copy(update={"mongodb_database": f"{settings.mongodb_database}_books"})) as services:
        await migrate(services.database)
        await seeded(services, sales=150, email="one@example.org")
        await seeded(services, sales=20, email="two@example.org")
        yield services
        await services.database.command({"dropDatabase": 1})
