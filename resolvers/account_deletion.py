"""Deleting one's account, with the businesses that have no other owner.

The mutation takes away, in one transaction, all that anybody could get in by: the user, their sessions, and of each business that goes its
members, their sessions, its API keys and the account itself. From then on nobody reads, writes or watches it. Its rows and files go after
that, by a job, which goes on where it was cut short, and once more when whatever was still under way has ended.
"""

from datetime import timedelta
from typing import Annotated, Final

import strawberry

from datastore import schema as tables
from datastore.erasing import erase_rows
from datastore.errors import InvalidInputError, UnauthenticatedError
from datastore.writing import Writer
from resolvers.account_mails import note_mail
from resolvers.actions import ActionContext, action
from resolvers.api_keys import MOST_KEYS
from resolvers.audit import record
from resolvers.auth import on_behalf_of, system
from resolvers.codes import Purpose, drop_code
from resolvers.file_bin import delete_bytes
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.mailing import send_mail
from resolvers.members import MOST_MEMBERS
from resolvers.passwords import offered_password
from resolvers.sessions import end_sessions
from resolvers.storage import ARRIVING, FINAL
from resolvers.text import text_argument

AGAIN_AFTER: Final = timedelta(minutes=15)
"""Longer than anything goes on that was begun before the account was closed: a transaction, an upload, the work of a job."""


@identity_mutation()
async def delete_account(ctx: IdentityMutationContext, password: Annotated[str, strawberry.argument(description="Your password.")]) -> bool:
    """Deletes you, and with you every business of which you are the only owner: all of its rows, files, members, keys. Always true.

    You leave the other businesses; what you did there stays, and says that it was somebody who has left. Nobody can undo this. The sessions
    end at once; rows and files of a business that goes are deleted within minutes.
    """
    offered = text_argument(password, offered_password, "password")
    known = await ctx.committed.get(tables.User, ctx.scope.user_id)
    if known is None:
        raise UnauthenticatedError
    stored = known.password_hash
    if not await ctx.once(f"verify {stored}", lambda: ctx.services.passwords.verify(stored, offered)):
        raise InvalidInputError.of("password", "is not your password")
    user = await ctx.identity.get(tables.User, known.id)
    if user is None or user.password_hash != stored:
        raise InvalidInputError.of("password", "is not your password")
    for membership in await ctx.identity.list(tables.Membership, "by_user", user.id):
        await _part_from(ctx, membership)
    await end_sessions(ctx, user.id)
    for purpose, whom in ((Purpose.VERIFY, user.id), (Purpose.CHANGE, user.id), (Purpose.RESET, user.email)):
        await drop_code(ctx, purpose, whom)
    await ctx.identity.delete(user)
    note = note_mail(ctx.services.outside.sealer, "account_deleted", to=user.email, locale=user.locale, name=user.name)
    await ctx.schedule(system(), send_mail, note)
    return True


@action(attempts=500, first_backoff=10, timeout=3600, at_once=1, listed=False)
async def erase_account(ctx: ActionContext, *, account_id: str) -> None:
    """Deletes the rows and the files of a business that was closed; as often as it takes, from wherever it was cut short."""
    async for _ in erase_rows(ctx.services.database, account_id):
        pass
    for place in (FINAL, ARRIVING):
        await delete_bytes(ctx.outside.blobs, f"{place}{account_id}/")


async def _part_from(ctx: IdentityMutationContext, membership: tables.Membership) -> None:
    """Leaves a business to its other owners, or closes it where there are none."""
    db = ctx.writer(on_behalf_of(membership.account_id, membership.user_id)).for_business
    account = await db.get(tables.Account, membership.account_id)
    if account is None:
        await ctx.identity.delete(membership)
        return
    await db.guard(account)  # whoever else changes who is a member waits, or fails
    members = await db.scan(tables.Member, "by_created", (), first=MOST_MEMBERS)
    mine = [row for row in members if row.user_id == membership.user_id]
    if any(row.role == "OWNER" for row in members if row not in mine):
        for row in mine:
            await _let_go(ctx, db, row)
            await record(db, "MEMBER_REMOVED", subject=row.id, detail=f"{row.name} deleted their account; {row.role}")
    else:
        await _close(ctx, db, account, members)


async def _close(ctx: IdentityMutationContext, db: Writer, account: tables.Account, members: tuple[tables.Member, ...]) -> None:
    """Takes away all that anybody could get into a business by, and has the rest of it deleted."""
    for row in members:
        await _let_go(ctx, db, row)
    for key in await db.scan(tables.ApiKey, "by_revoked", (None,), first=MOST_KEYS):
        known = await ctx.identity.find(tables.ApiKeyHash, "by_key", key.id)
        if known is not None:
            await ctx.identity.delete(known)
    await db.delete(account)
    for at in (ctx.now, ctx.now + AGAIN_AFTER):
        await ctx.schedule(system(), erase_account, {"account_id": account.id}, at)


async def _let_go(ctx: IdentityMutationContext, db: Writer, row: tables.Member) -> None:
    """Ends a member's part in a business, with their sessions there. None is begun meanwhile: signing in guards the member's row."""
    for session in await ctx.identity.list(tables.Session, "by_user", row.user_id):
        if session.account_id == row.account_id:
            await ctx.identity.delete(session)
    membership = await ctx.identity.find(tables.Membership, "by_user_account", row.user_id, row.account_id)
    if membership is not None:
        await ctx.identity.delete(membership)
    await db.delete(row)
