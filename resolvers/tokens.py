"""The two tokens of a session: a short-lived access token that proves itself, and a refresh token that is good once.

Access tokens are JWTs (RFC 7519, with the advice of RFC 8725) signed with Ed25519 (RFC 8037). They are only looked at once a request or a
socket; the session's row has the last word. Refresh tokens are 256 random bits, of which the database knows the SHA-256.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from datastore import schema as tables
from datastore.errors import UnauthenticatedError
from datastore.secrets import pem_blocks

ISSUER = "tillstream"
AUDIENCE = "tillstream"
"""Whom access tokens are for: this API. Nothing else that takes tokens of ours should take these."""

ALGORITHM = "EdDSA"
_LONGEST_TOKEN = 4096
_TEXT_CLAIMS = ("iss", "aud", "sub", "sid", "acc", "role")
_TIME_CLAIMS = ("iat", "exp")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says."""

    user_id: str
    session_id: str
    account_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token and when it ends, UTC."""

    token: str
    expires_at: datetime


class AccessTokens:
    """Signs and verifies access tokens. `signing_keys` are Ed25519 private keys (PKCS 8, PEM), one behind the other: the first signs, all
    verify. Raises TypeError for any other kind of key, ValueError for what is no key.
    """

    def __init__(self, signing_keys: bytes, lifetime_seconds: int) -> None:
        keys = [_key_of(pem) for pem in pem_blocks(signing_keys.decode())]
        self._private = keys[0]
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._public = {_thumbprint(_jwk_of(key.public_key())): key.public_key() for key in keys}
        self.key_id = next(iter(self._public))

    def issue(self, session: tables.Session, now: datetime) -> AccessToken:
        """A token of the session, valid from now on for the lifetime that was set."""
        expires_at = (now + self._lifetime).replace(microsecond=0)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": session.user_id,
            "sid": session.id,
            "acc": session.account_id,
            "role": session.role,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return AccessToken(jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self.key_id}), expires_at)

    def verify(self, token: str, now: datetime) -> Claims:
        """What the token says, if we signed it and it has not ended. Raises UnauthenticatedError."""
        claims = self._verified(token)
        if any(not isinstance(claims[name], str) for name in _TEXT_CLAIMS) or any(type(claims[name]) is not int for name in _TIME_CLAIMS):
            raise UnauthenticatedError("The access token is not valid.")
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        if expires_at <= now:
            raise UnauthenticatedError("The access token has expired; refresh the session.")
        return Claims(claims["sub"], claims["sid"], claims["acc"], expires_at)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517), for others who verify our tokens."""
        return {"keys": [_jwk_of(key) | {"kid": id, "alg": ALGORITHM, "use": "sig"} for id, key in self._public.items()]}

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise UnauthenticatedError("The access token is not valid.")
        # Times are compared with the run's own clock, by the caller.
        options: Any = {"require": [*_TEXT_CLAIMS, *_TIME_CLAIMS], "verify_exp": False, "verify_iat": False}
        try:
            key = self._public[jwt.get_unverified_header(token)["kid"]]
            return jwt.decode(token, key, algorithms=[ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options=options)
        except (jwt.PyJWTError, KeyError):
            raise UnauthenticatedError("The access token is not valid.") from None


def new_refresh_token(family: str | None = None) -> str:
    """256 random bits behind what the tokens of one session begin with, which are 128 of their own where there is none yet."""
    return f"{family or secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}"


def family_of(refresh_token: str) -> str:
    """What all refresh tokens of the same session begin with."""
    return refresh_token.partition(".")[0]


def hash_of(refresh_token: str) -> str:
    """What the database keeps of a refresh token: its SHA-256, hexadecimal. A random secret needs no salt."""
    return hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).hexdigest()


def _key_of(pem: str) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("a signing key must be an Ed25519 private key (openssl genpkey -algorithm ed25519)")
    return key


def _jwk_of(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _thumbprint(jwk: dict[str, str]) -> str:
    """The key's id (RFC 7638)."""
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
