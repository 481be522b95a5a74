"""Changing one's password: with the old one, or, where that is forgotten, with a code that is sent to the address.

Both end the person's other sessions, and are told by mail. Who asks for a code learns nothing: it is made, stored and scheduled alike for
addresses that nobody has.
"""

from typing import Annotated, Final

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import InvalidInputError, UnauthenticatedError
from resolvers.account_mails import Arguments, Code, no_mail, note_mail, password_reset_mail
from resolvers.audit import record
from resolvers.auth import system, trail_of
from resolvers.codes import Purpose, drop_code, issue_code, redeem_code, wrong_code
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.mailing import send_mail
from resolvers.passwords import HOW_TO_CHOOSE, OfferedPassword, Password, check_strength
from resolvers.sessions import end_sessions
from resolvers.text import Email, email_address, text_argument
from resolvers.users import User

_WRONG_PASSWORD: Final = "is not your password"  # noqa: S105  a message
_NEW_PASSWORD: Final = "input.newPassword"  # noqa: S105  a path


@strawberry.pydantic.input(description="A new password, by a code that was sent by mail.")
class ResetPasswordInput(BaseModel):
    """What sets a forgotten password anew."""

    email: Email = Field(description="The address that the code was sent to.")
    code: str = Field(description="The code.", repr=False)
    new_password: Password = Field(description=HOW_TO_CHOOSE, repr=False)


@strawberry.pydantic.input(description="A new password, by the old one.")
class ChangePasswordInput(BaseModel):
    """What changes a password."""

    current_password: OfferedPassword = Field(description="The password that you have now.", repr=False)
    new_password: Password = Field(description=HOW_TO_CHOOSE, repr=False)


@identity_mutation(public=True)
async def request_password_reset(
    ctx: IdentityMutationContext, email: Annotated[str, strawberry.argument(description="The address to sign in with.")]
) -> bool:
    """Sends a code to set a new password with, if there is an account with this address. Always true.

    Codes that were sent before are then good for nothing.
    """
    address = text_argument(email, email_address, "email")
    user = await ctx.committed.find(tables.User, "by_email", address)
    code = await issue_code(ctx, Purpose.RESET, address)
    await ctx.schedule(system(), send_mail, _reset_mail(ctx, address, user, code))
    await record(ctx.writer(await trail_of(ctx.writer, user)), "PASSWORD_RESET_REQUESTED")
    return True


@identity_mutation(public=True)
async def reset_password(
    ctx: IdentityMutationContext, input: Annotated[ResetPasswordInput, strawberry.argument(description="The code, and the new password.")]
) -> bool:
    """Sets a new password, and ends all sessions. The code is good for half an hour, once, and for five tries. Always true."""
    passwords = ctx.services.passwords
    await ctx.once("strength", lambda: check_strength(passwords, input.new_password, [input.email], _NEW_PASSWORD))
    redeemed = await redeem_code(ctx, Purpose.RESET, input.email, input.code)
    user = None if redeemed is None else await ctx.identity.find(tables.User, "by_email", input.email)
    if user is None:
        raise wrong_code("input.code")
    password_hash = await ctx.once("hash", lambda: passwords.hash(input.new_password))
    # Whoever can read the mailbox has shown so.
    user = await ctx.identity.update(user, password_hash=password_hash, email_verified=True)
    await end_sessions(ctx, user.id)
    await _tell(ctx, user)
    await record(ctx.writer(await trail_of(ctx.writer, user)), "PASSWORD_RESET")
    return True


@identity_mutation()
async def change_password(
    ctx: IdentityMutationContext, input: Annotated[ChangePasswordInput, strawberry.argument(description="The old and the new password.")]
) -> User:
    """Changes your password, and ends your sessions on all other devices."""
    passwords = ctx.services.passwords
    known = await ctx.committed.get(tables.User, ctx.scope.user_id)
    if known is None:
        raise UnauthenticatedError
    stored = known.password_hash
    if not await ctx.once(f"verify {stored}", lambda: passwords.verify(stored, input.current_password)):
        raise InvalidInputError.of("input.currentPassword", _WRONG_PASSWORD)
    about = [known.email, known.name, input.current_password]
    await ctx.once("strength", lambda: check_strength(passwords, input.new_password, about, _NEW_PASSWORD))
    password_hash = await ctx.once("hash", lambda: passwords.hash(input.new_password))
    user = await ctx.identity.get(tables.User, known.id)
    if user is None or user.password_hash != stored:
        raise InvalidInputError.of("input.currentPassword", _WRONG_PASSWORD)
    user = await ctx.identity.update(user, password_hash=password_hash)
    await end_sessions(ctx, user.id, kept=ctx.scope.session_id)
    await _tell(ctx, user)
    await record(ctx.writer(ctx.scope), "PASSWORD_CHANGED")
    return User.of(user)


async def _tell(ctx: IdentityMutationContext, user: tables.User) -> None:
    """Tells a person that their password is another, and calls off what was asked for with the old one."""
    await drop_code(ctx, Purpose.CHANGE, user.id)
    await drop_code(ctx, Purpose.RESET, user.email)
    note = note_mail(ctx.services.outside.sealer, "password_changed", to=user.email, locale=user.locale, name=user.name)
    await ctx.schedule(system(), send_mail, note)


def _reset_mail(ctx: IdentityMutationContext, address: str, user: tables.User | None, code: Code) -> Arguments:
    sealer = ctx.services.outside.sealer
    if user is None:
        return no_mail(sealer, to=address)
    return password_reset_mail(sealer, to=user.email, locale=user.locale, name=user.name, code=code)
