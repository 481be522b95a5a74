"""The businesses that a person works in, and switching between them. Each is seen by its own session alone."""

from typing import Annotated

import strawberry

from datastore import schema as tables
from datastore.errors import NotFoundError, UnauthenticatedError
from resolvers.arguments import id_of
from resolvers.audit import record
from resolvers.auth import on_behalf_of, role_in
from resolvers.functions import IdentityMutationContext, IdentityQueryContext, identity_mutation, identity_query
from resolvers.sessions import Session, start_session
from resolvers.users import Role


@strawberry.type(description="A business that you are a member of.")
class Membership:
    """What a person sees of a business from outside of it."""

    account_id: strawberry.ID = strawberry.field(description="The id of the business: for `switchAccount`, or `signIn`.")
    business_name: str = strawberry.field(description="What customers know it by.")
    role: Role = strawberry.field(description="What you may do there.")
    current: bool = strawberry.field(description="Whether it is the one that you work in now.")


@identity_query
async def memberships(ctx: IdentityQueryContext) -> list[Membership]:
    """The businesses that you are a member of, where you came first first."""
    scope = ctx.scope
    found = []
    for row in await ctx.identity.list(tables.Membership, "by_user", scope.user_id):
        db = ctx.reader(on_behalf_of(row.account_id, scope.user_id))
        member = await db.find(tables.Member, "by_user", scope.user_id)
        settings = await db.find(tables.Settings, "by_account")
        if member is not None and settings is not None:
            found.append(
                Membership(
                    account_id=strawberry.ID(row.account_id),
                    business_name=settings.business_name,
                    role=Role(member.role),
                    current=row.account_id == scope.account_id,
                )
            )
    return found


@identity_mutation()
async def switch_account(
    ctx: IdentityMutationContext, account_id: Annotated[strawberry.ID, strawberry.argument(description="The business to work in now.")]
) -> Session:
    """Goes on in another of your businesses on this device, with the tokens of the answer.

    The session that you had ends, with all that is watched by it: no window that was left open takes one business for the other. NOT_FOUND
    where you are no member.
    """
    id = id_of(tables.Account, account_id, "accountId")
    role = await role_in(ctx, ctx.scope.user_id, id)
    if role is None:
        raise NotFoundError("accountId: there is no such account.")
    user = await ctx.identity.get(tables.User, ctx.scope.user_id)
    before = await ctx.identity.get(tables.Session, ctx.scope.session_id or "")
    if user is None or before is None:
        raise UnauthenticatedError("The session has ended; sign in again.")
    await ctx.identity.delete(before)
    session = await start_session(ctx, user, id, role)
    if before.account_id != id:
        await record(ctx.writer(session.scope), "ACCOUNT_SWITCHED", subject=user.id, detail=user.name)
    return session
