"""Cursors: the key of a row in one list, signed, so that a client can go on from there and from nowhere else.

A cursor is URL-safe base64 (RFC 4648, section 5, without padding) of a truncated HMAC-SHA-256 tag (RFC 2104, section 5: not under half of
the hash) and the key's values as a BSON document. The tag covers a context that names the list, so that a cursor of another one does not
fit.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError

from datastore.errors import InvalidInputError
from datastore.keys import KeyValue

MAX_CURSOR_CHARACTERS = 8 * 1024
_TAG_BYTES = 16
_CODEC: CodecOptions[dict[str, KeyValue]] = CodecOptions(document_class=dict, tz_aware=True, tzinfo=UTC)


class Cursors:
    """Signs and opens cursors with a key of their own, derived from the secret of the deployment (all its processes share it)."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"tillstream cursor 1", "sha256")

    def sign(self, context: bytes, key: Sequence[KeyValue]) -> str:
        """The cursor that stands for `key` in the list named by `context`."""
        payload = bson.encode({str(position): value for position, value in enumerate(key)})
        return urlsafe_b64encode(self._tag(context, payload) + payload).rstrip(b"=").decode()

    def open(self, context: bytes, cursor: str, path: str = "after") -> tuple[KeyValue, ...]:
        """The key that a cursor stands for. Raises InvalidInputError at `path` for what this deployment did not sign for this very list."""
        signed = _decode(cursor)
        tag, payload = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
        if len(tag) < _TAG_BYTES or not hmac.compare_digest(tag, self._tag(context, payload)):
            raise InvalidInputError.of(path, "not a cursor of this list (cursors are only good where they came from, unchanged)")
        try:
            return tuple(bson.decode(payload, _CODEC).values())
        except BSONError:  # signed by us, so it cannot be: a secret that is used for something else
            raise InvalidInputError.of(path, "not a cursor") from None

    def _tag(self, context: bytes, payload: bytes) -> bytes:
        return hmac.digest(self._key, len(context).to_bytes(4) + context + payload, "sha256")[:_TAG_BYTES]


def _decode(cursor: str) -> bytes:
    """The bytes of a well-formed cursor; none for anything else, which then fails like a wrong signature."""
    if len(cursor) > MAX_CURSOR_CHARACTERS or not cursor.isascii():
        return b""
    try:
        signed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    # The decoder skips foreign characters and spare bits; only the one spelling that `sign` writes is a cursor.
    return signed if urlsafe_b64encode(signed).rstrip(b"=").decode() == cursor else b""
