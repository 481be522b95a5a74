"""Sessions: the signed-in devices of a person, each with a refresh token that is good once.

Its successor comes with the answer (rotation, as RFC 9700 section 4.14.2 advises for public clients). All tokens of a session begin alike,
so that one which was used before is known however old it is. Shown again within `REFRESH_GRACE`, the last one is two tabs racing or a
client that repeats a lost request, and is answered CONFLICT; any other was stolen, or the newest was, and the session ends.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError, UnauthenticatedError
from datastore.scope import Role, Scope
from datastore.transactions import Transaction, run_transaction
from datastore.writing import IdentityWriter, Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import record
from resolvers.auth import scope_of
from resolvers.connections import Connection
from resolvers.devices import device_of
from resolvers.functions import (
    IdentityMutationContext,
    IdentityQueryContext,
    QueryContext,
    field,
    identity_mutation,
    identity_query,
    shows,
)
from resolvers.nodes import Node, node_type
from resolvers.services import Services
from resolvers.tokens import family_of, hash_of, new_refresh_token
from resolvers.users import User

REFRESH_GRACE: Final = timedelta(seconds=10)
MOST_SESSIONS: Final = 50
"""Of one user; the oldest ends when there would be more."""

_NOT_GOOD: Final = "The refresh token is not valid; sign in again."
_LONGEST_USER_AGENT: Final = 300


@strawberry.type(description="A session: the tokens of one signed-in device.")
class Session:
    """What signing in gives. `scope` is what the rest of the request is done as."""

    scope: strawberry.Private[Scope]
    access_token: str = strawberry.field(
        description="Sent as `Authorization: Bearer …`, in the header or in a socket's connection payload."
    )
    access_token_expires_at: datetime = strawberry.field(description="When the access token ends. Refresh the session before.")
    refresh_token: str = strawberry.field(description="Gives the next access token, once: the answer carries the next refresh token.")
    user: User = strawberry.field(description="Who is signed in.")


@node_type(tables.Session, visible=lambda scope, row: row.user_id == scope.user_id)
@strawberry.type(description="A device on which you are signed in.")
class ActiveSession(Node):
    """A session of the caller's own."""

    row: strawberry.Private[tables.Session]
    device: str = strawberry.field(description="What kind of device it is, as far as it says.", metadata=shows("user_agent"))
    user_agent: str = strawberry.field(description="What its client calls itself.")
    last_used_at: datetime = strawberry.field(
        description="When it was last used, to within the lifetime of an access token.", metadata=shows("refreshed_at")
    )
    expires_at: datetime = strawberry.field(description="When it ends, if it is not used before.")

    @classmethod
    def of(cls, row: tables.Session) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            device=device_of(row.user_agent),
            user_agent=row.user_agent,
            last_used_at=row.refreshed_at,
            expires_at=row.expires_at,
        )

    @field(columns=[])
    async def current(self, ctx: QueryContext) -> bool:
        """Whether it is the one that asks."""
        return self.row.id == ctx.session_id


@identity_query
async def sessions(ctx: IdentityQueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ActiveSession]:
    """The devices on which you are signed in, the newest first."""
    cursors = ctx.services.cursors
    page = await ctx.identity.page(tables.Session, "by_user", [ctx.scope.user_id], first=first, after=after, cursors=cursors)
    return Connection.of(page, ActiveSession.of)


@identity_mutation(public=True)
async def refresh_session(
    ctx: IdentityMutationContext,
    refresh_token: Annotated[str, strawberry.argument(description="The refresh token of the last answer; it is good once.")],
) -> Session:
    """Gives the next access and refresh token of a session.

    The last refresh token, used less than ten seconds ago, is CONFLICT: use the one that the other answer gave. One that was used before
    that ends the session, because somebody else may have it.
    """
    family = family_of(refresh_token)
    row = await ctx.identity.find(tables.Session, "by_family", hash_of(family))
    if row is None:
        raise UnauthenticatedError(_NOT_GOOD)
    if row.refresh_hash != hash_of(refresh_token):
        raise await _refused(ctx, row, refresh_token)
    user = await _user_of(ctx.identity, row)
    if row.expires_at <= ctx.now or user is None:
        raise UnauthenticatedError(_NOT_GOOD)
    successor = new_refresh_token(family)
    row = await ctx.identity.update(
        row,
        refresh_hash=hash_of(successor),
        previous_refresh_hash=row.refresh_hash,
        refreshed_at=ctx.now,
        expires_at=row.expires_at if row.pending else end_of_session(ctx.services, ctx.now),
    )
    return _shown(ctx, user, row, successor)


@identity_mutation(pending=True)
async def sign_out(ctx: IdentityMutationContext) -> bool:
    """Ends this device's session, with everything it watches. Always true."""
    scope = ctx.scope_even_pending
    row = None if scope.session_id is None else await ctx.identity.get(tables.Session, scope.session_id)
    if row is not None:
        await ctx.identity.delete(row)
        if not scope.pending:
            await record(ctx.writer(scope), "SIGNED_OUT", subject=row.id)
    return True


@identity_mutation()
async def sign_out_everywhere(
    ctx: IdentityMutationContext,
    keep_current: Annotated[bool, strawberry.argument(description="Whether this device stays signed in.")] = False,
) -> bool:
    """Ends your sessions on all devices, with everything they watch. Always true."""
    kept = ctx.scope.session_id if keep_current else None
    await end_sessions(ctx, ctx.scope.user_id, kept=kept)
    await record(ctx.writer(ctx.scope), "SIGNED_OUT", detail="on all other devices" if keep_current else "on all devices")
    return True


@identity_mutation()
async def revoke_session(
    ctx: IdentityMutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of one of your sessions.")]
) -> ActiveSession:
    """Signs a device of yours out, with everything it watches; the session as it was."""
    row = await ctx.identity.get(tables.Session, id_of(tables.Session, id, "id"))
    if row is None or row.user_id != ctx.scope.user_id:
        raise NotFoundError("id: there is no such session.")
    await ctx.identity.delete(row)
    await record(ctx.writer(ctx.scope), "SESSION_ENDED", subject=row.id, detail=device_of(row.user_agent))
    return ActiveSession.of(row)


async def start_session(
    ctx: IdentityMutationContext, user: tables.User, account_id: str, role: Role, *, until: datetime | None = None
) -> Session:
    """A new session of somebody in a business, in the role that `role_in` found. Internal.

    `until` is when it ends that somebody confirms their address: they are pending, and have no rows yet.
    """
    refresh_token = new_refresh_token()
    row = tables.Session(
        id=tables.Session.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        user_id=user.id,
        account_id=account_id,
        role=role,
        family_hash=hash_of(family_of(refresh_token)),
        refresh_hash=hash_of(refresh_token),
        previous_refresh_hash=None,
        refreshed_at=ctx.now,
        expires_at=until or end_of_session(ctx.services, ctx.now),
        user_agent=ctx.user_agent[:_LONGEST_USER_AGENT],
        pending=until is not None,
    )
    await ctx.identity.insert(row)
    return _shown(ctx, user, row, refresh_token)


async def end_sessions(ctx: IdentityMutationContext, user_id: str, *, kept: str | None = None) -> None:
    """Ends all sessions of a user but the one with the id `kept`. Internal.

    Who starts one at the same moment guards the user's row, which the caller must write or guard too.
    """
    for row in await ctx.identity.list(tables.Session, "by_user", user_id):
        if row.id != kept:
            await ctx.identity.delete(row)


async def make_room(ctx: IdentityMutationContext, user_id: str) -> None:
    """Ends the oldest sessions of a user, so that there is room for another. Internal."""
    rows = await ctx.identity.list(tables.Session, "by_user", user_id)
    for row in sorted(rows, key=lambda row: row.refreshed_at)[: max(0, len(rows) + 1 - MOST_SESSIONS)]:
        await ctx.identity.delete(row)


def end_of_session(services: Services, now: datetime) -> datetime:
    """When a session ends that is used now. Internal."""
    return now + timedelta(days=services.settings.refresh_token_days)


def user_of_sign_up(row: tables.PendingSignUp) -> tables.User:
    """The user that a sign-up will become. Internal."""
    return tables.User(
        id=row.user_id,
        created_at=row.created_at,
        updated_at=row.created_at,
        email=row.email,
        password_hash=row.password_hash,
        email_verified=False,
        name=row.name,
        locale=row.locale,
        home_account_id=row.account_id,
    )


async def _user_of(identity: IdentityWriter, row: tables.Session) -> tables.User | None:
    if not row.pending:
        return await identity.get(tables.User, row.user_id)
    sign_up = await identity.find(tables.PendingSignUp, "by_user", row.user_id)
    return None if sign_up is None else user_of_sign_up(sign_up)


async def _refused(ctx: IdentityMutationContext, row: tables.Session, refresh_token: str) -> ConflictError | UnauthenticatedError:
    """Why a refresh token of a session that is not its newest is not taken. Ends the session, unless that was so just now."""
    if row.previous_refresh_hash == hash_of(refresh_token) and ctx.now - row.refreshed_at < REFRESH_GRACE:
        return ConflictError("This refresh token was used just now; use the one that came with that answer.")
    session_id, address = row.id, ctx.address

    async def end(transaction: Transaction) -> None:
        identity = IdentityWriter(transaction)
        stolen = await identity.get(tables.Session, session_id)
        if stolen is not None:
            await identity.delete(stolen)
            if not stolen.pending:
                await record(Writer(transaction, scope_of(stolen), address), "TOKEN_REUSED", subject=stolen.id)

    # In a transaction of its own: the caller's ends with an error, and takes nothing with it.
    await run_transaction(ctx.services.database, end)
    return UnauthenticatedError(_NOT_GOOD)


def _shown(ctx: IdentityMutationContext, user: tables.User, row: tables.Session, refresh_token: str) -> Session:
    access = ctx.services.tokens.issue(row, ctx.now)
    return Session(
        scope=scope_of(row),
        access_token=access.token,
        access_token_expires_at=access.expires_at,
        refresh_token=refresh_token,
        user=User.of(user),
    )
