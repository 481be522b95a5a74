"""The table of what was done that somebody may have to answer for: part of the page in `datastore/schema.py`."""

from typing import ClassVar, Literal

from datastore.rights import NOBODY, OWNERS, Rights
from datastore.tables import Index, OwnedRow, TableSpec

AuditKind = Literal[
    "SIGNED_UP",
    "SIGNED_IN",
    "SIGN_IN_FAILED",
    "SIGNED_OUT",
    "SESSION_ENDED",
    "TOKEN_REUSED",
    "EMAIL_VERIFIED",
    "EMAIL_CHANGED",
    "PASSWORD_CHANGED",
    "PASSWORD_RESET_REQUESTED",
    "PASSWORD_RESET",
    "ACCOUNT_SWITCHED",
    "SETTINGS_CHANGED",
    "MEMBER_INVITED",
    "INVITATION_REVOKED",
    "MEMBER_JOINED",
    "ROLE_CHANGED",
    "MEMBER_REMOVED",
    "API_KEY_CREATED",
    "API_KEY_REVOKED",
    "WEBHOOK_CREATED",
    "WEBHOOK_CHANGED",
    "WEBHOOK_DELETED",
    "DATA_EXPORTED",
    "DELETED",
]
"""What is kept a trail of; `resolvers/audit.py` says what each is."""


class AuditEvent(OwnedRow):
    """One such act. It stays for as long as the business does: nothing changes it, and nothing prunes the trail."""

    spec: ClassVar = TableSpec(
        "audit_events",
        "aud",
        "audit event",
        indexes=(
            Index("by_created", ("created_at",)),
            Index("by_event", ("event", "created_at")),
            Index("by_user", ("user_id", "created_at")),
            Index("by_event_user", ("event", "user_id", "created_at")),
        ),
        followed=False,
        append_only=True,
        rights=Rights(read=OWNERS, insert=NOBODY, change=NOBODY, delete=NOBODY),
    )

    event: AuditKind
    user_id: str
    """Who did it, or, of a sign-in that failed, as whom it was tried."""
    address: str
    """The client's network address; empty where it is not known, as of work on a schedule."""
    subject_id: str
    """The id of the row that it was done to; empty where it was not one."""
    detail: str
    """More, for people to read."""
