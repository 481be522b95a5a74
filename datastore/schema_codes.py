"""The tables of e-mail codes and of people who have not confirmed their address: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar

from datastore.tables import IdentityRow, Index, Policy, TableSpec


class EmailCode(IdentityRow):
    """A code that was sent to a mailbox, until it is used, used up or too old. There is one for each thing that somebody may prove."""

    spec: ClassVar = TableSpec(
        "email_codes",
        "emc",
        "code",
        Policy.IDENTITY,
        indexes=(Index("by_subject", ("subject",), unique=True), Index("by_expiry", ("expires_at",))),
    )

    subject: str
    """Keyed digest of what it is for and of whom: nobody reads out of it whose mailbox it was, or whether they have an account."""
    code_hash: str
    """Keyed digest of the code with its subject."""
    tries_left: int
    expires_at: datetime
    new_email: str | None = None
    """The address that a change of address is to."""


class PendingSignUp(IdentityRow):
    """Somebody who signed up and has not shown that they read their address: what their user and their business will be made of.

    Any number of them may name one address, and one that a user has; whoever enters the code of its mailbox first becomes its user.
    """

    spec: ClassVar = TableSpec(
        "pending_sign_ups",
        "sgu",
        "sign-up",
        Policy.IDENTITY,
        indexes=(Index("by_user", ("user_id",), unique=True), Index("by_expiry", ("expires_at",))),
    )

    user_id: str
    """That the user will have."""
    account_id: str
    email: str
    password_hash: str
    name: str
    business_name: str
    currency: str
    time_zone: str
    locale: str
    expires_at: datetime
