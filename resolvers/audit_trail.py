"""The trail of what was done that somebody may have to answer for, as the owners of a business read it."""

from enum import Enum
from typing import Annotated, Self

import strawberry

from datastore import schema as tables
from datastore.reading import Page
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.functions import QueryContext, field, query, shows
from resolvers.members import Member, member_of
from resolvers.nodes import Node, node_type


@strawberry.enum(description="What is kept a trail of.")
class AuditKind(Enum):
    """The kinds of act; the values are those that are stored."""

    SIGNED_UP = strawberry.enum_value("SIGNED_UP", description="The business was made.")
    SIGNED_IN = strawberry.enum_value("SIGNED_IN", description="Somebody signed in.")
    SIGN_IN_FAILED = strawberry.enum_value("SIGN_IN_FAILED", description="A password was wrong.")
    SIGNED_OUT = strawberry.enum_value("SIGNED_OUT", description="Somebody signed out.")
    SESSION_ENDED = strawberry.enum_value("SESSION_ENDED", description="A device was signed out from another.")
    TOKEN_REUSED = strawberry.enum_value("TOKEN_REUSED", description="A refresh token was used twice; its session was ended.")
    EMAIL_VERIFIED = strawberry.enum_value("EMAIL_VERIFIED", description="Somebody showed that they read their address.")
    EMAIL_CHANGED = strawberry.enum_value("EMAIL_CHANGED", description="Somebody signs in with another address from then on.")
    PASSWORD_CHANGED = strawberry.enum_value("PASSWORD_CHANGED", description="Somebody changed their password.")
    PASSWORD_RESET_REQUESTED = strawberry.enum_value("PASSWORD_RESET_REQUESTED", description="A mail to set a new password was asked for.")
    PASSWORD_RESET = strawberry.enum_value("PASSWORD_RESET", description="Somebody set a new password with the code of a mail.")
    ACCOUNT_SWITCHED = strawberry.enum_value("ACCOUNT_SWITCHED", description="Somebody came from another of their businesses.")
    SETTINGS_CHANGED = strawberry.enum_value("SETTINGS_CHANGED", description="Settings were changed.")
    MEMBER_INVITED = strawberry.enum_value("MEMBER_INVITED", description="Somebody was invited to the business.")
    INVITATION_REVOKED = strawberry.enum_value("INVITATION_REVOKED", description="An invitation was taken back.")
    MEMBER_JOINED = strawberry.enum_value("MEMBER_JOINED", description="Somebody accepted an invitation.")
    ROLE_CHANGED = strawberry.enum_value("ROLE_CHANGED", description="A member was given another role.")
    MEMBER_REMOVED = strawberry.enum_value("MEMBER_REMOVED", description="A member was removed, or left.")
    API_KEY_CREATED = strawberry.enum_value("API_KEY_CREATED", description="An API key was made.")
    API_KEY_REVOKED = strawberry.enum_value("API_KEY_REVOKED", description="An API key was revoked.")
    WEBHOOK_CREATED = strawberry.enum_value("WEBHOOK_CREATED", description="A webhook endpoint was made.")
    WEBHOOK_CHANGED = strawberry.enum_value("WEBHOOK_CHANGED", description="A webhook endpoint was changed.")
    WEBHOOK_DELETED = strawberry.enum_value("WEBHOOK_DELETED", description="A webhook endpoint was deleted.")
    DATA_EXPORTED = strawberry.enum_value("DATA_EXPORTED", description="Rows were exported.")
    DELETED = strawberry.enum_value("DELETED", description="A row was deleted.")


@node_type(tables.AuditEvent)
@strawberry.type(description="Something that was done, by whom and from where.")
class AuditEvent(Node):
    """An entry of the trail of the caller's account."""

    row: strawberry.Private[tables.AuditEvent]
    event: AuditKind = strawberry.field(description="What was done.")
    user_id: strawberry.ID = strawberry.field(
        description="The id of the user who did it, or as whom a sign-in failed.", metadata=shows("user_id")
    )
    address: str = strawberry.field(description="The network address that the request came from; empty where it is not known.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="The id of the row that it was done to; null where it was not one.", metadata=shows("subject_id")
    )
    detail: str = strawberry.field(description="More, for people to read.")

    @classmethod
    def of(cls, row: tables.AuditEvent) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            event=AuditKind(row.event),
            user_id=strawberry.ID(row.user_id),
            address=row.address,
            subject_id=strawberry.ID(row.subject_id) if row.subject_id else None,
            detail=row.detail,
        )

    @field(columns=["user_id"])
    async def user(self, ctx: QueryContext) -> Member | None:
        """Who did it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.user_id)


@query
async def audit_events(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    event: Annotated[AuditKind | None, strawberry.argument(description="Only such.")] = None,
    user_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only what this user did.")] = None,
) -> Connection[AuditEvent]:
    """The trail of what was done in your business, the newest first: sign-ins, rights, settings, exports, deletions. For owners.

    It is only added to, and kept for as long as the business is.
    """
    index, equals = _listed(event, None if user_id is None else id_of(tables.User, user_id, "userId"))
    page: Page[tables.AuditEvent] = await ctx.db.shown.page(tables.AuditEvent, index, equals, first=first, after=after, descending=True)
    return Connection.of(page, AuditEvent.of)


def _listed(event: AuditKind | None, user_id: str | None) -> tuple[str, tuple[str, ...]]:
    """The index that narrows the trail so, and its first keys."""
    if event is None:
        return ("by_created", ()) if user_id is None else ("by_user", (user_id,))
    kind = str(event.value)
    return ("by_event", (kind,)) if user_id is None else ("by_event_user", (kind, user_id))
