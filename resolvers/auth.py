"""Signing up, in and out, and who a request comes from: the one module that grants scopes.

A refresh token is good once; its successor comes with the answer (rotation, as RFC 9700 section 4.14.2 advises for public clients). The
one before is remembered: shown again within `REFRESH_GRACE` it is two tabs racing or a client that repeats a lost request, and is answered
CONFLICT; shown later, one of the two who hold it stole it, and the session ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError, UnauthenticatedError
from datastore.reading import IdentityReader, Reader, Snapshot
from datastore.scope import Role, Scope, grant
from datastore.transactions import Transaction, run_transaction
from datastore.writing import IdentityWriter
from resolvers.arguments import id_of
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.key_texts import PREFIX, is_key
from resolvers.money import CurrencyCode
from resolvers.passwords import OfferedPassword, Password
from resolvers.services import Services
from resolvers.settings import CURRENCY, LOCALE, TIME_ZONE
from resolvers.text import Email, LocaleTag, Name, TimeZoneName
from resolvers.tokens import AccessToken, hash_of, new_refresh_token
from resolvers.users import User

REFRESH_GRACE = timedelta(seconds=10)
MOST_SESSIONS = 50
"""Of one user; the oldest ends when there would be more."""

_WRONG = "E-mail or password is wrong."
_TAKEN = "Somebody has signed up with this e-mail address already."
_NOT_GOOD = "The refresh token is not valid; sign in again."
_LONGEST_USER_AGENT = 300


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


@strawberry.pydantic.input(description="A person and their new business.")
class SignUpInput(BaseModel):
    """Who signs up, and what their account starts with."""

    email: Email = Field(description="The address to sign in with.")
    password: Password = Field(description="8 to 128 characters.", repr=False)
    name: Name = Field(description="What the person is called, 1 to 200 characters.")
    business_name: Name | None = Field(
        default=None, description="What customers know the business by; the person's name where it is left out."
    )
    currency: CurrencyCode = Field(default="USD", description=CURRENCY)
    time_zone: TimeZoneName = Field(default="UTC", description=TIME_ZONE)
    locale: LocaleTag = Field(default="en", description=LOCALE)


@strawberry.pydantic.input(description="Who signs in.")
class SignInInput(BaseModel):
    """An address and its password."""

    email: Email = Field(description="The address that was signed up with.")
    password: OfferedPassword = Field(description="The password.", repr=False)
    account_id: strawberry.ID | None = Field(
        default=None, description="The business to work in, where it is not the one that you signed up with: see `memberships`."
    )


@identity_mutation(public=True)
async def sign_up(
    ctx: IdentityMutationContext, input: Annotated[SignUpInput, strawberry.argument(description="The person and their business.")]
) -> Session:
    """Makes a user and their business, and signs them in. CONFLICT where the e-mail address is taken."""
    if await ctx.committed.find(tables.User, "by_email", input.email) is not None:
        raise ConflictError(_TAKEN)
    password_hash = await ctx.services.passwords.hash(input.password)
    account_id = tables.Account.new_id()
    user = tables.User(
        id=tables.User.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        email=input.email,
        password_hash=password_hash,
        email_verified=False,
        name=input.name,
        locale=input.locale,
        home_account_id=account_id,
    )
    await ctx.identity.insert(user)
    await _open_account(ctx, account_id, user.id, input)
    return await start_session(ctx, user, account_id, "OWNER")


@identity_mutation(public=True)
async def sign_in(ctx: IdentityMutationContext, input: Annotated[SignInInput, strawberry.argument(description="Who signs in.")]) -> Session:
    """Signs in on this device. An unknown address and a wrong password look alike, and take as long.

    NOT_FOUND where you are no member of the business that you name.
    """
    passwords = ctx.services.passwords
    known = await ctx.committed.find(tables.User, "by_email", input.email)
    if not await passwords.verify(known.password_hash if known else None, input.password) or known is None:
        raise UnauthenticatedError(_WRONG)
    outdated = passwords.is_outdated(known.password_hash)
    stronger = await passwords.hash(input.password) if outdated else known.password_hash
    everyone = await ctx.committed.list(tables.Session, "by_user", known.id)
    user = await ctx.identity.get(tables.User, known.id)
    if user is None or user.password_hash != known.password_hash:
        raise UnauthenticatedError(_WRONG)
    user = await ctx.identity.update(user, password_hash=stronger)
    for row in sorted(everyone, key=lambda row: row.refreshed_at)[: len(everyone) + 1 - MOST_SESSIONS]:
        await _end_session(ctx, row.id)
    account_id, role = await _place_of(ctx, user, input.account_id)
    return await start_session(ctx, user, account_id, role)


@identity_mutation(public=True)
async def refresh_session(
    ctx: IdentityMutationContext,
    refresh_token: Annotated[str, strawberry.argument(description="The refresh token of the last answer; it is good once.")],
) -> Session:
    """Gives the next access and refresh token of a session.

    A refresh token that was used less than ten seconds ago is CONFLICT: use the one that the other answer gave. One that was used longer
    ago ends the session, because somebody else may have it.
    """
    row = await ctx.identity.find(tables.Session, "by_refresh", hash_of(refresh_token))
    if row is None:
        raise await _refused(ctx, refresh_token)
    user = await ctx.identity.get(tables.User, row.user_id)
    if row.expires_at <= ctx.now or user is None:
        raise UnauthenticatedError(_NOT_GOOD)
    successor = new_refresh_token()
    row = await ctx.identity.update(
        row,
        refresh_hash=hash_of(successor),
        previous_refresh_hash=row.refresh_hash,
        refreshed_at=ctx.now,
        expires_at=_end_of_session(ctx.services, ctx.now),
    )
    return _session(user, row, ctx.services.tokens.issue(row, ctx.now), successor)


@identity_mutation()
async def sign_out(ctx: IdentityMutationContext) -> bool:
    """Ends this device's session, with everything it watches. Always true."""
    if ctx.scope.session_id is not None:
        await _end_session(ctx, ctx.scope.session_id)
    return True


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """What an API key gives: the rows of a business, for what `scopes` name (`datastore.schema_keys.KeyRight`)."""

    scope: Scope
    key_id: str
    scopes: frozenset[str]


async def authenticate_key(services: Services, key: str) -> KeyAccess:
    """What an API key gives now. Raises UnauthenticatedError for one that is none, or is revoked.

    A key reads and writes as a manager does, and is not who the business is: its scopes say which of that.
    """
    if not is_key(key):
        raise UnauthenticatedError("That is no API key: it is not written as one, or was mistyped.")
    known = await IdentityReader(Snapshot(services.database)).find(tables.ApiKeyHash, "by_hash", hash_of(key))
    if known is None:
        raise UnauthenticatedError("This API key is revoked, or was never made here.")
    return KeyAccess(grant(known.account_id, known.user_id, "MANAGER"), known.key_id, frozenset(known.scopes))


async def authenticate(services: Services, access_token: str) -> Scope:
    """Who an access token stands for. Raises UnauthenticatedError where it or its session has ended."""
    if access_token.startswith(PREFIX):
        raise UnauthenticatedError("API keys are for the REST API under /api/v1; here, sign in.")
    now = services.clock()
    claims = services.tokens.verify(access_token, now)
    identity = IdentityReader(Snapshot(services.database))
    authorization = await authorization_of_session(services, identity, claims.session_id)
    if authorization is None or authorization[0].user_id != claims.user_id:
        raise UnauthenticatedError("The session has ended; sign in again.")
    return authorization[0]


async def authorization_of_session(services: Services, identity: IdentityReader, session_id: str) -> tuple[Scope, datetime] | None:
    """What a session may see and do as it is stored, and when its newest access token expires; None when it has ended."""
    row = await identity.get(tables.Session, session_id)
    if row is None or row.expires_at <= services.clock():
        return None
    token_expires_at = row.refreshed_at + timedelta(seconds=services.settings.access_token_seconds)
    return _scope(row), min(token_expires_at, row.expires_at)


def on_behalf_of(account_id: str, user_id: str) -> Scope:
    """The scope of work on a schedule, done for a person who set it up in an account, whether or not they are signed in. Internal.

    It has the least of rights: such work calls what it was set up to do, and nothing that a caller has chosen.
    """
    return grant(account_id, user_id, "STAFF")


def for_programs(account_id: str, user_id: str) -> Scope:
    """The scope of what was set up for programs of the business (webhooks), which are shown what a manager is. Internal."""
    return grant(account_id, user_id, "MANAGER")


def scope_of_the_system(account_id: str, user_id: str) -> Scope:
    """The scope of what the system does for a business by itself (mail to its owners), whoever's deed it follows from. Internal.

    Such work reads what a manager may, whoever made it necessary, and does nothing that a caller has chosen.
    """
    return grant(account_id, user_id, "MANAGER")


async def scope_at_work(services: Services, account_id: str, user_id: str) -> Scope | None:
    """The scope of a job that a person scheduled, in the role that they have now; None where they are no longer a member. Internal."""
    reader = Reader(Snapshot(services.database), on_behalf_of(account_id, user_id), services.cursors)
    member = await reader.find(tables.Member, "by_user", user_id)
    return None if member is None else grant(account_id, user_id, member.role)


def _scope(row: tables.Session) -> Scope:
    return grant(row.account_id, row.user_id, row.role, row.id)


def membership_row(user_id: str, account_id: str, now: datetime) -> tables.Membership:
    """The row by which a person finds a business that they are a member of. Internal."""
    return tables.Membership(id=tables.Membership.new_id(), created_at=now, updated_at=now, user_id=user_id, account_id=account_id)


async def _open_account(ctx: IdentityMutationContext, account_id: str, user_id: str, input: SignUpInput) -> None:
    db = ctx.writer(grant(account_id, user_id, "OWNER"))
    await db.insert(tables.Account(id=account_id, created_at=ctx.now, updated_at=ctx.now, account_id=account_id))
    await db.insert(
        tables.Member(
            id=tables.Member.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=account_id,
            user_id=user_id,
            email=input.email,
            role="OWNER",
            name=input.name,
        )
    )
    await ctx.identity.insert(membership_row(user_id, account_id, ctx.now))
    await db.insert(
        tables.Settings(
            id=tables.Settings.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=account_id,
            business_name=input.business_name or input.name,
            currency=input.currency,
            currency_fixed=False,
            time_zone=input.time_zone,
            locale=input.locale,
        )
    )


async def role_in(ctx: IdentityMutationContext, user_id: str, account_id: str) -> Role | None:
    """The role of a person in a business, None where they are no member; it is the same when the transaction commits. Internal.

    Its row is read with the least of rights.
    """
    db = ctx.writer(on_behalf_of(account_id, user_id)).for_business
    member = await db.find(tables.Member, "by_user", user_id)
    if member is None:
        return None
    await db.guard(member)
    return member.role


async def _place_of(ctx: IdentityMutationContext, user: tables.User, wanted: str | None) -> tuple[str, Role]:
    """The business that signing in opens, and the role there: the one that is wanted, else that of the sign-up, else any other."""
    if wanted is not None:
        role = await role_in(ctx, user.id, id_of(tables.Account, wanted, "input.accountId"))
        if role is None:
            raise NotFoundError("input.accountId: there is no such account.")
        return wanted, role
    others = [row.account_id for row in await ctx.identity.list(tables.Membership, "by_user", user.id)]
    for account_id in dict.fromkeys([user.home_account_id, *others]):
        role = await role_in(ctx, user.id, account_id)
        if role is not None:
            return account_id, role
    raise UnauthenticatedError("You are no longer a member of any business.")


async def start_session(ctx: IdentityMutationContext, user: tables.User, account_id: str, role: Role) -> Session:
    """A new session of somebody in a business, in the role that `role_in` found. Internal."""
    refresh_token = new_refresh_token()
    row = tables.Session(
        id=tables.Session.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        user_id=user.id,
        account_id=account_id,
        role=role,
        refresh_hash=hash_of(refresh_token),
        previous_refresh_hash=None,
        refreshed_at=ctx.now,
        expires_at=_end_of_session(ctx.services, ctx.now),
        user_agent=ctx.user_agent[:_LONGEST_USER_AGENT],
    )
    await ctx.identity.insert(row)
    return _session(user, row, ctx.services.tokens.issue(row, ctx.now), refresh_token)


async def _end_session(ctx: IdentityMutationContext, session_id: str) -> None:
    row = await ctx.identity.get(tables.Session, session_id)
    if row is not None:
        await ctx.identity.delete(row)


async def _refused(ctx: IdentityMutationContext, refresh_token: str) -> ConflictError | UnauthenticatedError:
    """Why a refresh token that no session has now is not taken. Ends the session of one that was used before."""
    row = await ctx.identity.find(tables.Session, "by_previous_refresh", hash_of(refresh_token))
    if row is None:
        return UnauthenticatedError(_NOT_GOOD)
    if ctx.now - row.refreshed_at < REFRESH_GRACE:
        return ConflictError("This refresh token was used just now; use the one that came with that answer.")
    session_id = row.id

    async def end(transaction: Transaction) -> None:
        identity = IdentityWriter(transaction)
        stolen = await identity.get(tables.Session, session_id)
        if stolen is not None:
            await identity.delete(stolen)

    # In a transaction of its own: the caller's ends with an error, and takes nothing with it.
    await run_transaction(ctx.services.database, end)
    return UnauthenticatedError(_NOT_GOOD)


def _end_of_session(services: Services, now: datetime) -> datetime:
    return now + timedelta(days=services.settings.refresh_token_days)


def _session(user: tables.User, row: tables.Session, access: AccessToken, refresh_token: str) -> Session:
    return Session(
        scope=_scope(row),
        access_token=access.token,
        access_token_expires_at=access.expires_at,
        refresh_token=refresh_token,
        user=User.of(user),
    )
