"""Texts that must not be read where they are stored (codes, the secrets of webhooks), sealed or digested with a key of the deployment.

Fernet (AES-128-CBC with HMAC-SHA-256, https://github.com/fernet/spec) under a key that HKDF (RFC 5869) derives for one purpose, so that
what was sealed for one can't be opened as another.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealBrokenError(RuntimeError):
    """A text was not sealed by this deployment for this purpose, or its secret has changed since."""


class Sealer:
    """Seals and opens texts for one purpose; all processes of a deployment share the secret."""

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tillstream seal 1 " + purpose).derive(secret)
        self._fernet = Fernet(urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        """The text, sealed: ASCII, a third longer, different each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises SealBrokenError."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except (InvalidToken, ValueError):  # ValueError: no ASCII, or no UTF-8 inside
            raise SealBrokenError("this was not sealed here") from None


class Digests:
    """Keyed digests (HMAC-SHA-256, RFC 2104) for one purpose: who reads them stored cannot try out what they may be of."""

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        self._key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tillstream digest 1 " + purpose).derive(secret)

    def of(self, *parts: str) -> str:
        """The digest of some texts in order, hexadecimal."""
        message = json.dumps(parts).encode()  # which keeps the texts apart
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def match(self, digest: str, *parts: str) -> bool:
        """Whether the digest is of these texts; it takes the same time wherever they differ."""
        return hmac.compare_digest(digest, self.of(*parts))
