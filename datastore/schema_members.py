"""The tables of who shares a business, beside `Member`: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from datastore.rights import MANAGERS, NOBODY, OWNERS, Rights
from datastore.scope import Role
from datastore.tables import IdentityRow, Index, OwnedRow, Policy, TableSpec

InvitationStatus = Literal["PENDING", "ACCEPTED", "REVOKED"]


class Membership(IdentityRow):
    """That a person is a member of a business: by it they find those that they can switch between. There is one for each `Member`."""

    spec: ClassVar = TableSpec(
        "memberships",
        "mbs",
        "membership",
        Policy.IDENTITY,
        indexes=(Index("by_user", ("user_id",)), Index("by_user_account", ("user_id", "account_id"), unique=True)),
    )

    user_id: str
    account_id: str


class Invitation(OwnedRow):
    """That somebody was asked to join a business."""

    spec: ClassVar = TableSpec(
        "invitations",
        "ivt",
        "invitation",
        indexes=(Index("by_created", ("created_at",)), Index("by_status", ("status", "created_at"))),
        followed=False,
        rights=Rights(read=MANAGERS, insert=OWNERS, change=OWNERS, delete=NOBODY),
    )

    email: str
    """Normalised: only who signs in with this address can accept."""
    role: Role
    invited_by_id: str
    status: InvitationStatus
    expires_at: datetime


class InvitationCode(IdentityRow):
    """What an invitation is recognised by when it is accepted. It goes with that, when that is revoked or sent again, and in time."""

    spec: ClassVar = TableSpec(
        "invitation_codes",
        "ivc",
        "invitation",
        Policy.IDENTITY,
        indexes=(
            Index("by_hash", ("hash",), unique=True),
            Index("by_invitation", ("invitation_id",), unique=True),
            Index("by_expiry", ("expires_at",)),
        ),
    )

    hash: str
    """SHA-256 of the code, hexadecimal; like an API key it has too many random bits to be found by trying."""
    invitation_id: str
    account_id: str
    email: str
    expires_at: datetime
