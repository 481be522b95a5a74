"""Who a request comes from: the one module that grants scopes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from datastore import schema as tables
from datastore.errors import UnauthenticatedError
from datastore.ids import ZERO_ULID
from datastore.reading import IdentityReader, Reader, Snapshot
from datastore.scope import Role, Scope, grant
from datastore.writing import Writer
from resolvers.functions import IdentityMutationContext
from resolvers.key_texts import PREFIX, is_key
from resolvers.services import Services
from resolvers.tokens import hash_of

_SYSTEM_ACCOUNT: Final = f"{tables.Account.spec.prefix}_{ZERO_ULID}"
_SYSTEM_USER: Final = f"{tables.User.spec.prefix}_{ZERO_ULID}"


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
    return scope_of(row), min(token_expires_at, row.expires_at)


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


def scope_of(session: tables.Session) -> Scope:
    """What a session gives as it is stored. Internal."""
    return grant(session.account_id, session.user_id, session.role, session.id, pending=session.pending)


def founder(account_id: str, user_id: str) -> Scope:
    """The scope of who opens a business that does not exist yet. Internal."""
    return grant(account_id, user_id, "OWNER")


def system() -> Scope:
    """The scope of what the deployment does for nobody's business: mail about accounts, whether or not there is one, and deleting what
    an account was. Its account has no other rows, and nobody signs in to it. Internal.
    """
    return grant(_SYSTEM_ACCOUNT, _SYSTEM_USER, "STAFF")


async def trail_of(writer: Callable[[Scope], Writer], user: tables.User | None) -> Scope:
    """As whom it is recorded what was tried or done at an address without a session: in the business that its user signed up with, while
    they are a member there, else in nobody's. It costs the same where nobody has the address. Internal.
    """
    scope = system() if user is None else on_behalf_of(user.home_account_id, user.id)
    member = await writer(scope).find(tables.Member, "by_user", scope.user_id)
    return system() if member is None else scope


def membership_row(user_id: str, account_id: str, now: datetime) -> tables.Membership:
    """The row by which a person finds a business that they are a member of. Internal."""
    return tables.Membership(id=tables.Membership.new_id(), created_at=now, updated_at=now, user_id=user_id, account_id=account_id)


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
