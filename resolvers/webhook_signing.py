"""Signatures of outgoing webhooks, as Standard Webhooks specifies them
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

A secret is `whsec_` and 32 random bytes in base64. A message is signed, with HMAC-SHA-256, together with its id and the time of sending, so
that nobody can send it again later as a new one.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32


def new_secret() -> str:
    """A secret that nobody has."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signature(secret: str, id: str, seconds: int, body: str) -> str:
    """The signature of a message that is sent at a moment (seconds since 1970), with its version."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(key, f"{id}.{seconds}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def headers_of(keys: Sequence[str], id: str, now: datetime, body: str) -> dict[str, str]:
    """The headers that a message is sent with, signed with each of the secrets: a receiver that knows one of them can verify it."""
    seconds = int(now.timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signature(secret, id, seconds, body) for secret in keys),
    }
