"""Signing in. An unknown address and a wrong password look alike, and cost the same hashes and the same writes."""

from typing import Annotated, Final

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import NotFoundError, UnauthenticatedError
from datastore.scope import Role, Scope
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.arguments import id_of
from resolvers.audit import record
from resolvers.auth import role_in, trail_of
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.passwords import OfferedPassword
from resolvers.sessions import Session, make_room, start_session
from resolvers.text import Email

_WRONG: Final = "E-mail or password is wrong."


@strawberry.pydantic.input(description="Who signs in.")
class SignInInput(BaseModel):
    """An address and its password."""

    email: Email = Field(description="The address that was signed up with.")
    password: OfferedPassword = Field(description="The password.", repr=False)
    account_id: strawberry.ID | None = Field(
        default=None, description="The business to work in, where it is not the one that you signed up with: see `memberships`."
    )


@identity_mutation(public=True)
async def sign_in(ctx: IdentityMutationContext, input: Annotated[SignInInput, strawberry.argument(description="Who signs in.")]) -> Session:
    """Signs in on this device. An unknown address and a wrong password look alike, and take as long.

    NOT_FOUND where you are no member of the business that you name.
    """
    passwords = ctx.services.passwords
    known = await ctx.committed.find(tables.User, "by_email", input.email)
    stored = known.password_hash if known else None
    right = await ctx.once(f"verify {stored}", lambda: passwords.verify(stored, input.password))
    if not right or known is None:
        await ctx.once("failure", lambda: _note_failure(ctx, known))
        raise UnauthenticatedError(_WRONG)
    if passwords.is_outdated(known.password_hash):
        stronger = await ctx.once("hash", lambda: passwords.hash(input.password))
    else:
        stronger = known.password_hash
    user = await ctx.identity.get(tables.User, known.id)
    if user is None or user.password_hash != known.password_hash:
        raise UnauthenticatedError(_WRONG)
    # Who changes the password at this moment ends all sessions, of which this is then one, or comes first.
    await ctx.identity.guard(user)
    user = await ctx.identity.update(user, password_hash=stronger)
    await make_room(ctx, user.id)
    account_id, role = await _place_of(ctx, user, input.account_id)
    session = await start_session(ctx, user, account_id, role)
    await record(ctx.writer(session.scope), "SIGNED_IN", subject=session.scope.session_id or "")
    return session


async def _note_failure(ctx: IdentityMutationContext, known: tables.User | None) -> None:
    """Adds a failure to the trail of the business that was tried, or of nobody's, in a transaction of its own: the caller's is undone."""
    address = ctx.address

    async def note(transaction: Transaction) -> None:
        def writer(scope: Scope) -> Writer:
            return Writer(transaction, scope, address)

        await record(writer(await trail_of(writer, known)), "SIGN_IN_FAILED")

    await run_transaction(ctx.services.database, note)


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
