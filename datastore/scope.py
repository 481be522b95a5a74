"""Who is asking, as the datastore needs to know it.

A data function takes a scope, and only authentication makes one (`grant`, called in `resolvers/auth.py` alone; a test holds that), so
that an unscoped read of an owned table does not type-check.
"""

from dataclasses import dataclass
from typing import Literal, final

Role = Literal["OWNER", "MANAGER", "STAFF"]

_GRANT = object()


@final
@dataclass(frozen=True, slots=True)
class Scope:
    """One account's rows, as one person in one role may see and change them.

    `session_id` is the row whose change or end must end what is being watched with it; None for scopes that outlive no request.
    """

    account_id: str
    user_id: str
    role: Role
    session_id: str | None
    granted_by: object
    pending: bool = False
    """Whether the person still has to show that they read their e-mail address, before which there is no account."""

    def __post_init__(self) -> None:
        if self.granted_by is not _GRANT:
            msg = "only authentication grants a scope: see resolvers/auth.py"
            raise TypeError(msg)


def grant(account_id: str, user_id: str, role: Role, session_id: str | None = None, *, pending: bool = False) -> Scope:
    """The scope of an authenticated person in one account."""
    return Scope(account_id, user_id, role, session_id, _GRANT, pending)
