"""Codes that prove who reads a mailbox: to confirm an address, to change it, to set a new password.

A code is good for one thing and one person or address, once, for `LIFETIME`, and for `TRIES` guesses at most, each of which is one atomic
write (`datastore/codes.py`). Stored is a keyed digest. A new code replaces the one before.
"""

import secrets
from datetime import timedelta
from enum import Enum
from typing import Final

from datastore import schema as tables
from datastore.codes import forget_expired, spend_try
from datastore.errors import InvalidInputError
from resolvers.account_mails import Code, link_to
from resolvers.crons import CronContext, cron
from resolvers.functions import IdentityMutationContext

LIFETIME: Final = timedelta(minutes=30)
TRIES: Final = 5

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without what is read wrongly (0 and O, 1, I and L) or makes words (U)."""

_LENGTH: Final = 8
"""39 bits: five guesses find one of them once in 130 thousand million times."""

_LONGEST_TYPED: Final = 64


class Purpose(Enum):
    """What a code is good for."""

    VERIFY = "verify"
    CHANGE = "change"
    RESET = "reset"

    @property
    def mutation(self) -> str:
        """That takes the code."""
        return "resetPassword" if self is Purpose.RESET else "verifyEmail"


async def issue_code(ctx: IdentityMutationContext, purpose: Purpose, whom: str, *, new_email: str | None = None) -> Code:
    """Makes a code, stored in the caller's transaction, which should send it. `whom` is a user's id, or an address that is folded.

    It costs the same whether or not there is anybody.
    """
    subject = ctx.services.digests.of(purpose.value, whom)
    earlier = await ctx.identity.find(tables.EmailCode, "by_subject", subject)
    if earlier is not None:
        await ctx.identity.delete(earlier)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    row = tables.EmailCode(
        id=tables.EmailCode.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        subject=subject,
        code_hash=ctx.services.digests.of(subject, code),
        tries_left=TRIES,
        expires_at=ctx.now + LIFETIME,
        new_email=new_email,
    )
    await ctx.identity.insert(row)
    shown = f"{code[:4]}-{code[4:]}"
    address = {"email": whom} if purpose is Purpose.RESET else {}
    return Code(shown, row.expires_at, link_to(ctx.services.settings.client_url, purpose.mutation, code=shown, **address))


async def redeem_code(ctx: IdentityMutationContext, purpose: Purpose, whom: str, typed: str) -> tables.EmailCode | None:
    """Spends a try of a code, and uses it up if it is the one; None where it is not, or there is none. Before all else in a mutation."""
    digests = ctx.services.digests
    subject = digests.of(purpose.value, whom)
    tried = await ctx.once(f"try of {purpose.value}", lambda: spend_try(ctx.services.database, subject, ctx.now))
    matches = digests.match(tried.code_hash if tried else "", subject, normalised(typed))
    if tried is None or not matches:
        return None
    current = await ctx.identity.get(tables.EmailCode, tried.id)
    if current is not None:
        await ctx.identity.delete(current)
    return current


async def drop_code(ctx: IdentityMutationContext, purpose: Purpose, whom: str) -> None:
    """Makes a code that is out good for nothing."""
    row = await ctx.identity.find(tables.EmailCode, "by_subject", ctx.services.digests.of(purpose.value, whom))
    if row is not None:
        await ctx.identity.delete(row)


def normalised(typed: str) -> str:
    """A code as it was made, however it was typed: in small letters, in groups, with spaces."""
    return "".join(character for character in typed[:_LONGEST_TYPED].upper() if character in _ALPHABET)


def wrong_code(path: str) -> InvalidInputError:
    """What is told of a code that is wrong, used, used up, too old, or of nobody: these look alike."""
    return InvalidInputError.of(path, "not a good code: it is mistyped, used or too old; ask for a new one")


@cron(every=3600)
async def forget_expired_codes(ctx: CronContext) -> None:
    """Deletes codes and sign-ups that nobody confirmed in time."""
    await forget_expired(ctx.services.database, ctx.now())
