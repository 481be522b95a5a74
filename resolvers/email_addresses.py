"""Showing that one reads an address: the one that was signed up with, or a new one."""

from typing import Annotated, Final

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError, UnauthenticatedError
from resolvers.account_mails import email_change_mail, no_mail, note_mail
from resolvers.audit import record
from resolvers.auth import scope_of, system
from resolvers.codes import Purpose, drop_code, issue_code, redeem_code, wrong_code
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.mailing import send_mail
from resolvers.new_accounts import open_account
from resolvers.passwords import OfferedPassword
from resolvers.profile import tell_businesses, user_row
from resolvers.sessions import end_of_session, user_of_sign_up
from resolvers.sign_ups import send_code
from resolvers.text import Email
from resolvers.users import User

_WRONG_PASSWORD: Final = "is not your password"  # noqa: S105  a message


@strawberry.pydantic.input(description="Another address to sign in with.")
class ChangeEmailInput(BaseModel):
    """A new address, and the password, so that a device left open gives nobody the account."""

    email: Email = Field(description="The new address. It counts when the code that is sent there is given to `verifyEmail`.")
    password: OfferedPassword = Field(description="Your password.", repr=False)


@identity_mutation(pending=True)
async def verify_email(
    ctx: IdentityMutationContext, code: Annotated[str, strawberry.argument(description="The code that was sent to the address.")]
) -> User:
    """Confirms that you read your address, or the new one that you asked for.

    The code is good for half an hour, once, and for five tries.
    """
    scope = ctx.scope_even_pending
    changing = None if scope.pending else await redeem_code(ctx, Purpose.CHANGE, scope.user_id, code)
    if changing is not None and changing.new_email is not None:
        return await _change(ctx, changing.new_email)
    if await redeem_code(ctx, Purpose.VERIFY, scope.user_id, code) is None:
        raise wrong_code("code")
    if scope.pending:
        return await _admit(ctx)
    user = await ctx.identity.update(await user_row(ctx), email_verified=True)
    await record(ctx.writer(scope), "EMAIL_VERIFIED")
    return User.of(user)


@identity_mutation(pending=True)
async def resend_verification(ctx: IdentityMutationContext) -> bool:
    """Sends another code to your address, unless it is confirmed already. Codes that were sent before are then good for nothing. Always
    true.
    """
    scope = ctx.scope_even_pending
    if scope.pending:
        sign_up = await _sign_up_of(ctx)
        await send_code(ctx, user_of_sign_up(sign_up), await ctx.committed.find(tables.User, "by_email", sign_up.email))
        return True
    user = await user_row(ctx)
    if not user.email_verified:
        await send_code(ctx, user)
    return True


@identity_mutation()
async def change_email(
    ctx: IdentityMutationContext, input: Annotated[ChangeEmailInput, strawberry.argument(description="The new address.")]
) -> User:
    """Asks to sign in with another address: a code goes there, for `verifyEmail`, and a note to the address that you have now.

    The answer is the same where somebody else has the new address; no code is sent then.
    """
    user = await ctx.committed.get(tables.User, ctx.scope.user_id)
    if user is None:
        raise UnauthenticatedError
    stored = user.password_hash
    if not await ctx.once("verify", lambda: ctx.services.passwords.verify(stored, input.password)):
        raise InvalidInputError.of("input.password", _WRONG_PASSWORD)
    taken = await ctx.committed.find(tables.User, "by_email", input.email)
    sealer = ctx.services.outside.sealer
    code = await issue_code(ctx, Purpose.CHANGE, user.id, new_email=input.email)
    if taken is None:
        mail = email_change_mail(sealer, to=input.email, locale=user.locale, name=user.name, code=code)
    else:
        mail = no_mail(sealer, to=input.email)
    await ctx.schedule(system(), send_mail, mail)
    note = note_mail(sealer, "email_change_note", to=user.email, locale=user.locale, name=user.name, new_email=input.email)
    await ctx.schedule(system(), send_mail, note)
    return User.of(user)


async def _change(ctx: IdentityMutationContext, new_email: str) -> User:
    user = await user_row(ctx)
    if await ctx.identity.find(tables.User, "by_email", new_email) is not None:
        raise wrong_code("code")
    before = user.email
    user = await ctx.identity.update(user, email=new_email, email_verified=True)
    await tell_businesses(ctx, user)
    await drop_code(ctx, Purpose.VERIFY, user.id)
    await drop_code(ctx, Purpose.RESET, before)
    await record(ctx.writer(ctx.scope), "EMAIL_CHANGED")
    return User.of(user)


async def _admit(ctx: IdentityMutationContext) -> User:
    """Makes the user and the business of somebody who has shown that they read their address."""
    sign_up = await _sign_up_of(ctx)
    if await ctx.identity.find(tables.User, "by_email", sign_up.email) is not None:
        # They read the mailbox: they may know that another sign-up of theirs was confirmed before.
        raise ConflictError("This address was confirmed for another account meanwhile: sign in to that.")
    user = await open_account(ctx, sign_up, verified=True)
    await ctx.identity.delete(sign_up)
    session = await ctx.identity.get(tables.Session, ctx.scope_even_pending.session_id or "")
    if session is None:
        raise UnauthenticatedError
    session = await ctx.identity.update(session, pending=False, expires_at=end_of_session(ctx.services, ctx.now))
    shown = User.of(user)
    shown.scope = scope_of(session)
    await record(ctx.writer(shown.scope), "EMAIL_VERIFIED")
    return shown


async def _sign_up_of(ctx: IdentityMutationContext) -> tables.PendingSignUp:
    row = await ctx.identity.find(tables.PendingSignUp, "by_user", ctx.scope_even_pending.user_id)
    if row is None or row.expires_at <= ctx.now:
        raise UnauthenticatedError("The sign-up was not confirmed in time; sign up again.")
    return row
