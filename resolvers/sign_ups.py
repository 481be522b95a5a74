"""Signing up, so that nobody learns who has an account already.

Where `TILLSTREAM_SIGN_UP` is `confirmed`, as in production, everybody who signs up is told the same and gets a session that can do nothing
but enter the code that went to the address, whether or not that has a user; a user and a business are made when the code comes. Where it is
`open`, both are made at once, and who has signed up is told by CONFLICT (docs/decisions/0011).
"""

from typing import Annotated, Final

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError
from resolvers.account_mails import note_mail, verification_mail
from resolvers.auth import system
from resolvers.codes import Purpose, issue_code
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.mailing import send_mail
from resolvers.new_accounts import SignUpInput, open_account, sign_up_row
from resolvers.passwords import check_strength
from resolvers.sessions import Session, start_session, user_of_sign_up

TAKEN: Final = "Somebody has signed up with this e-mail address already."


@identity_mutation(public=True)
async def sign_up(
    ctx: IdentityMutationContext, input: Annotated[SignUpInput, strawberry.argument(description="The person and their business.")]
) -> Session:
    """Makes a user and their business, and signs them in. A code goes to the address, for `verifyEmail`.

    Where the server asks for confirmed addresses, as servers in production do, everything but `verifyEmail`, `resendVerification`,
    `refreshSession` and `signOut` is FORBIDDEN until that code was entered, and the answer is the same for an address that has an account.
    Elsewhere that is CONFLICT.
    """
    passwords = ctx.services.passwords
    await ctx.once("strength", lambda: check_strength(passwords, input.password, [input.email, input.name, input.business_name or ""]))
    known = await ctx.committed.find(tables.User, "by_email", input.email)
    if known is not None and not ctx.services.settings.confirms_sign_ups:
        raise ConflictError(TAKEN)
    row = sign_up_row(ctx, input, await ctx.once("hash", lambda: passwords.hash(input.password)))
    if not ctx.services.settings.confirms_sign_ups:
        user = await open_account(ctx, row, verified=False)
        await send_code(ctx, user)
        return await start_session(ctx, user, row.account_id, "OWNER")
    await ctx.identity.insert(row)
    await send_code(ctx, user_of_sign_up(row), known)
    return await start_session(ctx, user_of_sign_up(row), row.account_id, "OWNER", until=row.expires_at)


async def send_code(ctx: IdentityMutationContext, user: tables.User, known: tables.User | None = None) -> None:
    """Sends a code to the address of somebody who is to confirm it, or, where it has a user already (`known`), a note to that one.

    The code is made in both cases, and does not leave the server in the second: both take as long.
    """
    sealer = ctx.services.outside.sealer
    code = await issue_code(ctx, Purpose.VERIFY, user.id)
    if known is None:
        mail = verification_mail(sealer, to=user.email, locale=user.locale, name=user.name, code=code)
    else:
        mail = note_mail(sealer, "account_exists", to=known.email, locale=known.locale, name=known.name)
    await ctx.schedule(system(), send_mail, mail)
