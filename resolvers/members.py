"""The people who share a business, as each other see them, and how owners deal with them."""

from typing import Annotated, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, ForbiddenError
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import record
from resolvers.connections import Connection
from resolvers.file_references import AnyFile, shown_file
from resolvers.functions import IdentityMutationContext, QueryContext, field, identity_mutation, query, shows
from resolvers.nodes import Node, node_type
from resolvers.users import Role

MOST_MEMBERS = 50
"""Of one business, those that are invited included."""


@node_type(tables.Member)
@strawberry.type(description="A person's part in a business.")
class Member(Node):
    """A member of the caller's account."""

    row: strawberry.Private[tables.Member]
    name: str = strawberry.field(description="What the person is called.")
    email: str | None = strawberry.field(description="The address that they sign in with; null for who is STAFF.")
    role: Role = strawberry.field(description="What they may do.")
    user_id: strawberry.ID = strawberry.field(description="The id that the person has as a user.", metadata=shows("user_id"))
    account_id: strawberry.ID = strawberry.field(description="The id of the business.", metadata=shows("account_id"))

    @classmethod
    def of(cls, row: tables.Member) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            email=row.email,
            role=Role(row.role),
            user_id=strawberry.ID(row.user_id),
            account_id=strawberry.ID(row.account_id),
        )

    @field(columns=["avatar_id"])
    async def avatar(self, ctx: QueryContext) -> AnyFile | None:
        """A picture of the person; null where there is none, and while that is in the bin."""
        return await shown_file(ctx.db, self.row.avatar_id)


async def member_of(db: Reader, user_id: str) -> Member | None:
    """The member that a user is of the reader's account; None where they are no longer."""
    row = await db.find(tables.Member, "by_user", user_id)
    return None if row is None else Member.of(row)


@query
async def members(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Member]:
    """The people who share your business, who came first first. For owners and managers."""
    page = await ctx.db.shown.page(tables.Member, "by_created", (), first=first, after=after)
    return Connection.of(page, Member.of)


MemberId = Annotated[strawberry.ID, strawberry.argument(description="The id of a member.")]


@identity_mutation()
async def change_member_role(
    ctx: IdentityMutationContext, id: MemberId, role: Annotated[Role, strawberry.argument(description="What they may do from now on.")]
) -> Member:
    """Gives a member another role. What they watch ends at once, to be asked for anew. For owners.

    CONFLICT where nobody would be left who is an owner.
    """
    db = await owners_writer(ctx)
    row = await db.get_existing(tables.Member, id_of(tables.Member, id, "id"))
    if row.role == str(role.value):
        return Member.of(row)
    await _check_owned_without(db, row)
    changed = await db.update(row, role=str(role.value))
    for session in await _sessions_of(ctx, row):
        await ctx.identity.update(session, role=changed.role)
    await record(db, "ROLE_CHANGED", subject=row.id, detail=f"{row.name}: {row.role} → {changed.role}")
    return Member.of(changed)


@identity_mutation()
async def remove_member(ctx: IdentityMutationContext, id: MemberId) -> Member:
    """Ends somebody's part in the business, with all their sessions there. For owners; and you may leave by yourself, whatever you are.

    What they did stays, and says who did it. CONFLICT where nobody would be left who is an owner.
    """
    id = strawberry.ID(id_of(tables.Member, id, "id"))
    mine = await ctx.writer(ctx.scope).find(tables.Member, "by_user", ctx.scope.user_id)
    leaves = mine is not None and mine.id == id
    db = await _in_turn(ctx.writer(ctx.scope).for_business) if leaves else await owners_writer(ctx)
    row = await db.get_existing(tables.Member, id)
    await _check_owned_without(db, row)
    for session in await _sessions_of(ctx, row):
        await ctx.identity.delete(session)
    membership = await ctx.identity.find(tables.Membership, "by_user_account", row.user_id, row.account_id)
    if membership is not None:
        await ctx.identity.delete(membership)
    await db.delete(row)
    await record(db, "MEMBER_REMOVED", subject=row.id, detail=f"{row.name} <{row.email}>, {row.role}")
    return Member.of(row)


async def owners_writer(ctx: IdentityMutationContext) -> Writer:
    """A writer of the caller's account for who is an owner of it at this very moment: what changes who is a member takes its turn.

    Raises ForbiddenError for all others.
    """
    db = ctx.writer(ctx.scope)
    db.require("change", tables.Member)
    await _in_turn(db)
    caller = await db.find(tables.Member, "by_user", ctx.scope.user_id)
    if caller is None or caller.role != "OWNER":
        raise ForbiddenError("Only owners of the business deal with its members.")
    return db


async def _in_turn(db: Writer) -> Writer:
    """The writer, once every other transaction that changes who is a member has ended or failed: what is read of them stays true."""
    await db.guard(await db.get_existing(tables.Account, db.scope.account_id))
    return db


async def _check_owned_without(db: Writer, row: tables.Member) -> None:
    """Raises ConflictError where nobody but this member is an owner."""
    others = await db.scan(tables.Member, "by_created", (), first=MOST_MEMBERS)
    if row.role == "OWNER" and not any(other.role == "OWNER" and other.id != row.id for other in others):
        raise ConflictError("A business needs an owner: make somebody else one first.")


async def _sessions_of(ctx: IdentityMutationContext, row: tables.Member) -> list[tables.Session]:
    """The sessions of a member in this business. None is begun meanwhile: signing in guards the member's row."""
    return [session for session in await ctx.identity.list(tables.Session, "by_user", row.user_id) if session.account_id == row.account_id]
