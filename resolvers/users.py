"""People, as they see themselves."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

import strawberry

from datastore import schema as tables
from datastore.scope import Scope
from resolvers.file_references import AnyFile, shown_file
from resolvers.functions import (
    IdentityQueryContext,
    QueryContext,
    field,
    identity_query,
)
from resolvers.nodes import Node, node_type
from resolvers.settings import Settings, settings_row


@strawberry.enum(description="What a person may do in a business.")
class Role(Enum):
    """The roles of members."""

    OWNER = strawberry.enum_value("OWNER", description="Everything.")
    MANAGER = strawberry.enum_value("MANAGER", description="Everything but who is a member and what the business is.")
    STAFF = strawberry.enum_value("STAFF", description="Recording sales, and reading what that needs.")


@node_type(tables.Account)
@strawberry.type(description="A business.")
class Account(Node):
    """The caller's account."""

    row: strawberry.Private[tables.Account]

    @classmethod
    def of(cls, row: tables.Account) -> Self:
        """The row as the API shows it."""
        return cls(id=strawberry.ID(row.id), created_at=row.created_at, updated_at=row.updated_at, row=row)

    @field(columns=[])
    async def settings(self, ctx: QueryContext) -> Settings:
        """What the business chose once for everything."""
        return Settings.of(await settings_row(ctx.db.shown))


@node_type(tables.User)
@strawberry.type(description="A person who can sign in.")
class User(Node):
    """The caller themself: nobody else's row is shown as this."""

    row: strawberry.Private[tables.User]
    email: str = strawberry.field(description="The address they sign in with.")
    email_verified: bool = strawberry.field(description="Whether they have shown that they read this address.")
    name: str = strawberry.field(description="What they are called.")
    locale: str = strawberry.field(description="The BCP 47 language tag of what is written to them.")
    scope: strawberry.Private[Scope | None] = None
    """Whom showing it signed in, if it did."""

    @classmethod
    def of(cls, row: tables.User) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            email=row.email,
            email_verified=row.email_verified,
            name=row.name,
            locale=row.locale,
        )

    @field(columns=[], pending=True)
    async def avatar(self, ctx: QueryContext) -> AnyFile | None:
        """Their picture in the business they work in now; null where they have none there, and while that is in the bin."""
        member = await ctx.db.find(tables.Member, "by_user", self.row.id)
        return None if member is None else await shown_file(ctx.db, member.avatar_id)

    @field(columns=[], pending=True)
    async def role(self, ctx: QueryContext) -> Role:
        """What they may do in the business they work in now."""
        return Role(ctx.role)

    @field(columns=[], pending=True)
    async def account(self, ctx: QueryContext) -> Account | None:
        """The business they work in now."""
        row = await ctx.db.shown.get(tables.Account, ctx.account_id)
        return None if row is None else Account.of(row)


@identity_query
async def viewer(ctx: IdentityQueryContext) -> User | None:
    """You; null where nobody is signed in."""
    if ctx.caller is None:
        return None
    row = await ctx.identity.get(tables.User, ctx.caller.user_id)
    return None if row is None else User.of(row)


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person as they are written to."""

    email: str
    name: str
    locale: str


async def addressee(ctx: IdentityQueryContext, user_id: str) -> Addressee | None:
    """Where to write to a person about the business of the caller; None where they are not one of its members. Internal."""
    member = await ctx.reader(ctx.scope).find(tables.Member, "by_user", user_id)
    row = None if member is None else await ctx.identity.get(tables.User, user_id)
    return None if row is None else Addressee(row.email, row.name, row.locale)
