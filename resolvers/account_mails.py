"""The mails about somebody's account: those that carry a code, and those that tell what was done with it.

Each function gives the arguments of the action `mailing.send_mail`, for the transaction of what it tells of:
`await ctx.schedule(system(), send_mail, verification_mail(ctx.services.outside.sealer, …))`. What it says goes sealed, so that whoever
reads the stored job reads no code, and not whether there is an account.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from datastore.scope import Role
from datastore.sealing import Sealer

NO_MAIL: Final = "nobody"
"""The kind of a mail that is not sent."""

Arguments = dict[str, Any]
"""Of `mailing.send_mail`."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that proves who reads a mailbox; `link` is a page of the client's that takes it, if there is one."""

    code: str
    expires_at: datetime
    link: str | None = None


def link_to(client_url: str | None, mutation: str, **arguments: str) -> str | None:
    """The client's page (setting `client_url`), told which mutation to call with which arguments; None where there is no page.

    They stand behind a #: what stands there is sent to no server, and in no Referer header.
    """
    return None if client_url is None else f"{client_url}#{urlencode({'mutation': mutation, **arguments}, quote_via=quote)}"


def verification_mail(sealer: Sealer, *, to: str, locale: str, name: str, code: Code) -> Arguments:
    """Asks whoever signed up with an address to confirm that they read it."""
    return _sealed(sealer, "verification", to, locale, name, code)


def password_reset_mail(sealer: Sealer, *, to: str, locale: str, name: str, code: Code) -> Arguments:
    """Lets whoever forgot their password set another."""
    return _sealed(sealer, "password_reset", to, locale, name, code)


def invitation_mail(sealer: Sealer, *, to: str, locale: str, inviter: str, business: str, role: Role, code: Code) -> Arguments:
    """Invites somebody, who may have no account yet, to a business."""
    return _sealed(sealer, "invitation", to, locale, "", code, inviter=inviter, business=business, role=role)


def email_change_mail(sealer: Sealer, *, to: str, locale: str, name: str, code: Code) -> Arguments:
    """Asks whoever wants to sign in with an address to confirm that they read it."""
    return _sealed(sealer, "email_change", to, locale, name, code)


Note = Literal["account_exists", "email_change_note", "password_changed", "account_deleted"]
"""What somebody is told of: that there is an account already, that its address is to change, that its password did, that it is gone."""


def note_mail(sealer: Sealer, note: Note, *, to: str, locale: str, name: str, **more: str) -> Arguments:
    """Tells somebody of what was done with their account; a note on a change of address says the `new_email`."""
    return _sealed(sealer, note, to, locale, name, None, **more)


def no_mail(sealer: Sealer, *, to: str) -> Arguments:
    """Nothing is sent: there is nobody to tell. But it is scheduled as if there were, so that it takes as long to ask."""
    return _sealed(sealer, NO_MAIL, to, "en", "", None)


def values_of(opened: str) -> tuple[str, str, dict[str, Any]]:
    """What was sealed: the kind of mail, its language, and the values of its templates."""
    values = json.loads(opened)
    if "expires_at" in values:
        values["expires_at"] = datetime.fromisoformat(values["expires_at"])
    return values.pop("kind"), values.pop("locale"), values


def _sealed(sealer: Sealer, kind: str, to: str, locale: str, name: str, code: Code | None, **more: str) -> Arguments:
    proof = {} if code is None else {**asdict(code), "expires_at": code.expires_at.isoformat()}
    values = {**proof, "kind": kind, "locale": locale, "name": name, **more}
    return {"to": to, "sealed": sealer.seal(json.dumps(values))}
