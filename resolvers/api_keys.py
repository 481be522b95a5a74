"""API keys: what programs of the business call the REST API with. Only owners make, see and revoke them."""

import logging
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Final, Self

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, TillstreamError
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import record
from resolvers.auth import KeyAccess
from resolvers.connections import Connection
from resolvers.functions import IdentityMutationContext, QueryContext, field, identity_mutation, query
from resolvers.key_texts import new_key, shown
from resolvers.members import Member, member_of
from resolvers.nodes import Node, node_type
from resolvers.services import Services
from resolvers.text import Name
from resolvers.tokens import hash_of

logger = logging.getLogger(__name__)

MOST_KEYS: Final = 100
"""Of one business that are not revoked."""

USE_NOTED_EVERY: Final = timedelta(minutes=1)


@strawberry.enum(description="What an API key may be used for.")
class ApiKeyScope(Enum):
    """The rights of keys."""

    SALES_READ = strawberry.enum_value("SALES_READ", description="Reading and exporting sales.")
    SALES_WRITE = strawberry.enum_value("SALES_WRITE", description="Recording sales.")
    PRODUCTS_READ = strawberry.enum_value("PRODUCTS_READ", description="Reading and exporting products.")
    PRODUCTS_WRITE = strawberry.enum_value("PRODUCTS_WRITE", description="Importing products.")
    STOCK_WRITE = strawberry.enum_value("STOCK_WRITE", description="Adding to the stock of products, and taking from it.")
    TRANSACTIONS_READ = strawberry.enum_value("TRANSACTIONS_READ", description="Exporting the ledger.")


@node_type(tables.ApiKey)
@strawberry.type(description="A key by which a program of the business calls the REST API; the key itself is only shown when it is made.")
class ApiKey(Node):
    """An API key of the caller's account."""

    row: strawberry.Private[tables.ApiKey]
    name: str = strawberry.field(description="What it is for.")
    prefix: str = strawberry.field(description="How the key begins, to tell it from others.")
    scopes: list[ApiKeyScope] = strawberry.field(description="What it may be used for.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to within a minute; null where it never was.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null where it is good.")

    @classmethod
    def of(cls, row: tables.ApiKey) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            prefix=row.prefix,
            scopes=[ApiKeyScope(scope) for scope in row.scopes],
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )

    @field(columns=["created_by_id"])
    async def created_by(self, ctx: QueryContext) -> Member | None:
        """Who made it, and whom what is done with it is recorded for; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.created_by_id)


@strawberry.type(description="A new API key.")
class NewApiKey:
    """What making a key gives."""

    key: str = strawberry.field(
        description="The key, shown this once. Sent as `Authorization: Bearer …` to the REST API; keep it as you keep a password."
    )
    api_key: ApiKey = strawberry.field(description="The key as the list shows it.")


def _some(scopes: list[ApiKeyScope]) -> list[ApiKeyScope]:
    if not scopes:
        raise ValueError("must name at least one scope")
    return [scope for scope in ApiKeyScope if scope in scopes]


@strawberry.pydantic.input(description="A new API key.")
class CreateApiKeyInput(BaseModel):
    """A new key."""

    name: Name = Field(description="What it is for, 1 to 200 characters.")
    scopes: Annotated[list[ApiKeyScope], AfterValidator(_some)] = Field(description="What it may be used for: no more than it needs.")


@query
async def api_keys(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ApiKey]:
    """The API keys of your business, the newest first, revoked ones included. For owners."""
    page = await ctx.db.shown.page(tables.ApiKey, "by_created", (), first=first, after=after, descending=True)
    return Connection.of(page, ApiKey.of)


@identity_mutation()
async def create_api_key(
    ctx: IdentityMutationContext, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The new key.")]
) -> NewApiKey:
    """Makes an API key, which the answer shows, and nothing ever again: sent again with the same idempotency key, it makes another.

    For owners. CONFLICT where there are 100 that are not revoked.
    """
    db = ctx.writer(ctx.scope)
    await _check_room(db)
    key = new_key()
    row = await db.insert(
        tables.ApiKey(
            id=tables.ApiKey.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=ctx.scope.account_id,
            name=input.name,
            prefix=shown(key),
            scopes=[str(scope.value) for scope in input.scopes],
            created_by_id=ctx.scope.user_id,
            last_used_at=None,
            revoked_at=None,
        )
    )
    await ctx.identity.insert(
        tables.ApiKeyHash(
            id=tables.ApiKeyHash.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            hash=hash_of(key),
            key_id=row.id,
            account_id=row.account_id,
            user_id=row.created_by_id,
            scopes=row.scopes,
        )
    )
    await record(db, "API_KEY_CREATED", subject=row.id, detail=f"{row.name}: {', '.join(row.scopes)}")
    return NewApiKey(key=key, api_key=ApiKey.of(row))


@identity_mutation()
async def revoke_api_key(
    ctx: IdentityMutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of an API key.")]
) -> ApiKey:
    """Revokes an API key: it is good for nothing from now on, for good. For owners."""
    db = ctx.writer(ctx.scope)
    row = await db.get_existing(tables.ApiKey, id_of(tables.ApiKey, id, "id"), "id")
    known = await ctx.identity.find(tables.ApiKeyHash, "by_key", row.id)
    if known is None:
        return ApiKey.of(row)
    await ctx.identity.delete(known)
    await record(db, "API_KEY_REVOKED", subject=row.id, detail=row.name)
    return ApiKey.of(await db.update(row, revoked_at=ctx.now))


class KeyUses:
    """Remembers when keys are used, each once a minute at most: in one process without asking the database, and between processes by it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._noted: dict[str, datetime] = {}

    async def note(self, access: KeyAccess) -> None:
        """Notes that a key was used just now. It is no fault where that cannot be written: the next use is."""
        now = self._services.clock()
        noted = self._noted.get(access.key_id)
        if noted is not None and now - noted < USE_NOTED_EVERY:
            return
        self._noted = {id: at for id, at in self._noted.items() if now - at < USE_NOTED_EVERY} | {access.key_id: now}
        try:
            await self._write(access, now)
        except TillstreamError as error:
            logger.info("the use of API key %s could not be noted: %s", access.key_id, error)

    async def _write(self, access: KeyAccess, now: datetime) -> None:
        async def note(transaction: Transaction) -> None:
            db = Writer(transaction, access.scope).for_business
            row = await db.get(tables.ApiKey, access.key_id)
            if row is not None and (row.last_used_at is None or now - row.last_used_at >= USE_NOTED_EVERY):
                await db.update(row, last_used_at=now)

        await run_transaction(self._services.database, note)


async def _check_room(db: Writer) -> None:
    """Raises ConflictError where the business has as many keys as it may have."""
    await db.guard(await db.get_existing(tables.Account, db.scope.account_id))  # two at once must not both be the last
    if len(await db.scan(tables.ApiKey, "by_revoked", (None,), first=MOST_KEYS)) >= MOST_KEYS:
        raise ConflictError(f"The business has {MOST_KEYS} API keys; revoke one that is no longer used.")
