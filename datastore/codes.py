"""Counting the tries of e-mail codes: one atomic write for each, so that of many guesses at once no more are made than there may be.

It is done outside of any transaction: what a guess fails with takes back what else was written, but not that it was made.
"""

from datetime import datetime
from typing import Final

from datastore.database import MAJORITY, Database, Document
from datastore.schema_codes import EmailCode, PendingSignUp
from datastore.schema_members import InvitationCode

_EXPIRING: Final = (EmailCode, InvitationCode, PendingSignUp)


async def spend_try(database: Database, subject: str, now: datetime) -> EmailCode | None:
    """The code of a subject, one of whose tries is now spent; None where there is none, or nothing is left of it.

    Raises UnavailableError.
    """
    reply = await database.command(
        {
            "findAndModify": EmailCode.spec.name,
            "query": {"subject": subject, "tries_left": {"$gt": 0}, "expires_at": {"$gt": now}},
            "hint": "by_subject",
            "update": {"$inc": {"tries_left": -1}},
            "new": True,
            "writeConcern": MAJORITY,
        }
    )
    return None if reply["value"] is None else EmailCode.from_document(reply["value"])


async def forget_expired(database: Database, now: datetime) -> int:
    """Deletes the codes, those of invitations too, and the sign-ups that are past their time; how many there were."""
    gone = 0
    for table in _EXPIRING:
        expired: Document = {"q": {"expires_at": {"$lte": now}}, "limit": 0, "hint": "by_expiry"}
        gone += (await database.command({"delete": table.spec.name, "deletes": [expired], "writeConcern": MAJORITY}))["n"]
    return gone
