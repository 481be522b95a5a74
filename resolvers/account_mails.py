"""The mails that carry a code: to confirm an address, to set a new password, to join a business.

Each function gives the arguments of the action `mailing.send_mail`, for the transaction that makes the code:
`await ctx.schedule(scope, send_mail, verification_mail(ctx.services.outside.sealer, …))`. The code goes sealed, so that whoever reads the
stored job reads no code.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from datastore.scope import Role
from datastore.sealing import Sealer

Arguments = dict[str, Any]
"""Of `mailing.send_mail`."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that proves who reads a mailbox; `link` is a page of the client's that takes it, if there is one."""

    code: str
    expires_at: datetime
    link: str | None = None


def verification_mail(sealer: Sealer, *, to: str, locale: str, name: str, code: Code) -> Arguments:
    """Asks whoever signed up with an address to confirm that they read it."""
    return _sealed(sealer, "verification", to, locale, name, code)


def password_reset_mail(sealer: Sealer, *, to: str, locale: str, name: str, code: Code) -> Arguments:
    """Lets whoever forgot their password set another."""
    return _sealed(sealer, "password_reset", to, locale, name, code)


def invitation_mail(sealer: Sealer, *, to: str, locale: str, inviter: str, business: str, role: Role, code: Code) -> Arguments:
    """Invites somebody, who may have no account yet, to a business."""
    return _sealed(sealer, "invitation", to, locale, "", code, inviter=inviter, business=business, role=role)


def values_of(opened: str) -> tuple[str, str, dict[str, Any]]:
    """What was sealed: the kind of mail, its language, and the values of its templates."""
    values = json.loads(opened)
    values["expires_at"] = datetime.fromisoformat(values["expires_at"])
    return values.pop("kind"), values.pop("locale"), values


def _sealed(sealer: Sealer, kind: str, to: str, locale: str, name: str, code: Code, **more: str) -> Arguments:
    values = {**asdict(code), "expires_at": code.expires_at.isoformat(), "kind": kind, "locale": locale, "name": name, **more}
    return {"to": to, "sealed": sealer.seal(json.dumps(values))}
