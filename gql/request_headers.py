"""The headers that name a request: X-Request-Id and Idempotency-Key."""

import re
import secrets
from typing import Final

from starlette.datastructures import Headers

from datastore.errors import InvalidInputError

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def new_request_id() -> str:
    """An id to log one request or operation under: 96 random bits."""
    return secrets.token_hex(12)


def request_id_of(headers: Headers) -> str:
    """The client's own X-Request-Id where it is harmless to log and to send back, else a new one."""
    sent = headers.get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else new_request_id()


def idempotency_key_of(headers: Headers) -> str | None:
    """The Idempotency-Key header, or None without one. Raises InvalidInputError for one that is malformed or sent twice."""
    sent = headers.getlist("idempotency-key")
    if not sent:
        return None
    if len(sent) > 1 or not _IDEMPOTENCY_KEY.fullmatch(sent[0]):
        raise InvalidInputError.of("Idempotency-Key", "must be sent once, as 1 to 255 visible ASCII characters.")
    return sent[0]
