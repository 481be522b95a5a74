"""Inviting people to a business by e-mail. Nothing here tells whether an address that is invited has an account."""

import secrets
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Self, cast

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError
from datastore.scope import Role as StoredRole
from datastore.writing import Writer
from resolvers.account_mails import Code, invitation_mail, link_to
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.audit import record
from resolvers.auth import membership_row, on_behalf_of
from resolvers.connections import Connection
from resolvers.functions import IdentityMutationContext, QueryContext, field, identity_mutation, query
from resolvers.mailing import send_mail
from resolvers.members import MOST_MEMBERS, Member, member_of, owners_writer
from resolvers.nodes import Node, node_type
from resolvers.settings import settings_row
from resolvers.text import Email
from resolvers.tokens import hash_of
from resolvers.users import Role

GOOD_FOR = timedelta(days=7)

_NOT_GOOD = "This invitation is not good any more, or is for another address than you sign in with."
_MOST_CODE = 200


@strawberry.enum(description="What became of an invitation.")
class InvitationStatus(Enum):
    """The states of an invitation."""

    PENDING = strawberry.enum_value("PENDING", description="It can be accepted until it expires.")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="It was accepted.")
    REVOKED = strawberry.enum_value("REVOKED", description="It was taken back, or another took its place.")


@node_type(tables.Invitation)
@strawberry.type(description="That somebody was asked to join a business.")
class Invitation(Node):
    """An invitation to the caller's account."""

    row: strawberry.Private[tables.Invitation]
    email: str = strawberry.field(description="The address that it was sent to; only who signs in with it can accept.")
    role: Role = strawberry.field(description="What they will be allowed to do.")
    status: InvitationStatus = strawberry.field(description="What became of it.")
    expires_at: datetime = strawberry.field(description="Until when it can be accepted.")

    @classmethod
    def of(cls, row: tables.Invitation) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            email=row.email,
            role=Role(row.role),
            status=InvitationStatus(row.status),
            expires_at=row.expires_at,
        )

    @field(columns=["invited_by_id"])
    async def invited_by(self, ctx: QueryContext) -> Member | None:
        """Who sent it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.invited_by_id)


@strawberry.pydantic.input(description="Whom to invite.")
class InviteMemberInput(BaseModel):
    """An address and a role."""

    email: Email = Field(description="Where to send the invitation: the address that they sign in, or will sign up, with.")
    role: Role = Field(description="What they are to be allowed to do.")


InvitationId = Annotated[strawberry.ID, strawberry.argument(description="The id of an invitation.")]


@query
async def invitations(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    status: Annotated[InvitationStatus | None, strawberry.argument(description="Only such.")] = None,
) -> Connection[Invitation]:
    """The invitations to your business, the newest first. For owners and managers."""
    index, equals = ("by_created", ()) if status is None else ("by_status", (str(status.value),))
    page = await ctx.db.shown.page(tables.Invitation, index, equals, first=first, after=after, descending=True)
    return Connection.of(page, Invitation.of)


@identity_mutation()
async def invite_member(
    ctx: IdentityMutationContext, input: Annotated[InviteMemberInput, strawberry.argument(description="Whom to invite.")]
) -> Invitation:
    """Invites somebody to your business by e-mail: the mail has a code for `acceptInvite`, which is good for seven days. For owners.

    CONFLICT where they are a member or invited already, and where the business would have more than 50 members.
    """
    db = await owners_writer(ctx)
    await _check_room(db, input.email, ctx.now)
    row = await db.insert(
        tables.Invitation(
            id=tables.Invitation.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=ctx.scope.account_id,
            email=input.email,
            role=cast("StoredRole", input.role.value),
            invited_by_id=ctx.scope.user_id,
            status="PENDING",
            expires_at=ctx.now + GOOD_FOR,
        )
    )
    await _send(ctx, db, row)
    await record(db, "MEMBER_INVITED", subject=row.id, detail=f"{row.email} as {row.role}")
    return Invitation.of(row)


@identity_mutation()
async def resend_invite(ctx: IdentityMutationContext, id: InvitationId) -> Invitation:
    """Sends an invitation once more, with a new code that is good for seven days; the one before is good no longer. For owners.

    CONFLICT where it was accepted or revoked, and where they could not be invited now, as `inviteMember` says.
    """
    db = await owners_writer(ctx)
    row = await _pending(db, id)
    await _check_room(db, row.email, ctx.now, but=row.id)
    await _end_code(ctx, row)
    row = await db.update(row, expires_at=ctx.now + GOOD_FOR)
    await _send(ctx, db, row)
    return Invitation.of(row)


@identity_mutation()
async def revoke_invite(ctx: IdentityMutationContext, id: InvitationId) -> Invitation:
    """Takes an invitation back: its code is good no longer. For owners. CONFLICT where it was accepted already."""
    db = await owners_writer(ctx)
    row = await db.get_existing(tables.Invitation, id_of(tables.Invitation, id, "id"))
    if row.status == "REVOKED":
        return Invitation.of(row)
    return Invitation.of(await _revoke(ctx, db, await _pending(db, id)))


@identity_mutation()
async def accept_invite(
    ctx: IdentityMutationContext, code: Annotated[str, strawberry.argument(description="The code of the mail; it is good once.")]
) -> Member:
    """Makes you a member of the business that invited you, if you sign in with the address that the mail was sent to.

    That shows that you read it, so the address is verified too. Go there with `switchAccount`. NOT_FOUND for a code that is not good, or no
    longer, or not for you.
    """
    user = await ctx.identity.get(tables.User, ctx.scope.user_id)
    known = await ctx.identity.find(tables.InvitationCode, "by_hash", hash_of(code[:_MOST_CODE].strip()))
    if known is None or user is None or known.email != user.email or known.expires_at <= ctx.now:
        raise NotFoundError(_NOT_GOOD)
    # Who deletes their account, or takes another name or address, deals with the businesses that they are a member of: this is then one.
    await ctx.identity.guard(user)
    db = ctx.writer(on_behalf_of(known.account_id, user.id)).for_business
    row = await db.get(tables.Invitation, known.invitation_id)
    if row is None:
        raise NotFoundError(_NOT_GOOD)
    member = await _join(ctx, db, user, row)
    await ctx.identity.delete(known)
    await db.update(row, status="ACCEPTED")
    await ctx.identity.update(user, email_verified=True)
    await record(db, "MEMBER_JOINED", subject=member.id, detail=f"{user.name} <{user.email}> as {member.role}")
    return Member.of(member)


async def _join(ctx: IdentityMutationContext, db: Writer, user: tables.User, invitation: tables.Invitation) -> tables.Member:
    """The new member. Raises ConflictError where they are one already."""
    if await db.find(tables.Member, "by_user", user.id) is not None:
        raise ConflictError("You are a member of this business already.")
    # So that whoever counts members or owners at the same time runs again.
    await db.guard(await db.get_existing(tables.Account, invitation.account_id))
    await ctx.identity.insert(membership_row(user.id, invitation.account_id, ctx.now))
    return await db.insert(
        tables.Member(
            id=tables.Member.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            account_id=invitation.account_id,
            user_id=user.id,
            email=user.email,
            role=invitation.role,
            name=user.name,
        )
    )


async def _check_room(db: Writer, email: str, now: datetime, *, but: str | None = None) -> None:
    """Raises ConflictError where somebody is there already, or nobody more can be; the invitation with the id `but` does not count."""
    members = await db.scan(tables.Member, "by_created", (), first=MOST_MEMBERS)
    pending = await db.scan(tables.Invitation, "by_status", ("PENDING",), first=1000, descending=True)
    open_ones = [row for row in pending if row.expires_at > now and row.id != but]
    if any(member.email == email for member in members):
        raise ConflictError("Who signs in with this address is a member already.")
    if any(row.email == email for row in open_ones):
        raise ConflictError("This address is invited already: send that invitation again, or revoke it.")
    if len(members) + len(open_ones) >= MOST_MEMBERS:
        raise ConflictError(f"A business has at most {MOST_MEMBERS} members, those that are invited included.")


async def _send(ctx: IdentityMutationContext, db: Writer, row: tables.Invitation) -> None:
    """Makes the code of an invitation, and has the mail sent that carries it."""
    code = secrets.token_urlsafe(24)
    settings = await settings_row(db)
    inviter = await db.find(tables.Member, "by_user", ctx.scope.user_id)
    await ctx.identity.insert(
        tables.InvitationCode(
            id=tables.InvitationCode.new_id(),
            created_at=ctx.now,
            updated_at=ctx.now,
            hash=hash_of(code),
            invitation_id=row.id,
            account_id=row.account_id,
            email=row.email,
            expires_at=row.expires_at,
        )
    )
    mail = invitation_mail(
        ctx.services.outside.sealer,
        to=row.email,
        locale=settings.locale,
        inviter=inviter.name if inviter is not None else "",
        business=settings.business_name,
        role=row.role,
        code=Code(code, row.expires_at, link_to(ctx.services.settings.client_url, "acceptInvite", code=code)),
    )
    await ctx.schedule(ctx.scope, send_mail, mail)


async def _pending(db: Writer, id: str) -> tables.Invitation:
    """The invitation, which nobody has accepted. Raises ConflictError for another."""
    row = await db.get_existing(tables.Invitation, id_of(tables.Invitation, id, "id"))
    if row.status != "PENDING":
        raise ConflictError(f"This invitation was {row.status.lower()} already.")
    return row


async def _revoke(ctx: IdentityMutationContext, db: Writer, row: tables.Invitation) -> tables.Invitation:
    await _end_code(ctx, row)
    await record(db, "INVITATION_REVOKED", subject=row.id, detail=row.email)
    return await db.update(row, status="REVOKED")


async def _end_code(ctx: IdentityMutationContext, row: tables.Invitation) -> None:
    """What the mail carries is good no longer. Who accepts at the same moment and this are one of them run again."""
    known = await ctx.identity.find(tables.InvitationCode, "by_invitation", row.id)
    if known is not None:
        await ctx.identity.delete(known)
