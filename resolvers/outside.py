"""What is outside the database: the file store, and whatever else only actions reach.

Queries and mutations do no I/O. They may ask what these say of themselves (a signed link, whether payments are set up), and schedule an
action for the rest.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from datastore.blobs import Blobs
from datastore.sealing import Sealer
from datastore.settings import Settings
from resolvers.mail import Mailer
from resolvers.storage import Storage
from resolvers.stripe_api import Payments


@dataclass(frozen=True, slots=True)
class Outside:
    """The services outside that one process uses. Making them calls none of them: each may be down, and is asked when it is needed."""

    blobs: Blobs
    storage: Storage
    """What is known of the files without asking their store."""
    mail: Mailer
    payments: Payments
    sealer: Sealer
    """For what a job or a row must carry and nobody may read where it is stored."""


@asynccontextmanager
async def open_outside(settings: Settings, secret: bytes) -> AsyncGenerator[Outside, None]:
    """The services that the settings name; `secret` is the deployment's."""
    async with AsyncExitStack() as stack:
        yield Outside(
            blobs=await stack.enter_async_context(Blobs.open(settings)),
            storage=Storage.of(settings),
            mail=Mailer(settings),
            payments=await stack.enter_async_context(Payments.open(settings)),
            sealer=Sealer(secret, b"job"),
        )
