import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from datastore import schema as tables
from datastore.errors import UnauthenticatedError
from resolvers.tokens import AccessTokens, family_of, hash_of, new_refresh_token

NOW = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
SESSION = tables.Session(
    id="ses_01J0000000000000000000000A",
    created_at=NOW,
    updated_at=NOW,
    user_id="usr_01J0000000000000000000000A",
    account_id="acc_01J0000000000000000000000A",
    role="OWNER",
    refresh_hash="x",
    previous_refresh_hash=None,
    refreshed_at=NOW,
    expires_at=NOW + timedelta(days=30),
    user_agent="",
)


def pem_of(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


KEY = Ed25519PrivateKey.generate()
TOKENS = AccessTokens(pem_of(KEY), 900)


def test_a_token_says_who_it_was_issued_to_until_it_ends() -> None:
    issued = TOKENS.issue(SESSION, NOW)
    assert issued.expires_at == datetime(2026, 11, 23, 12, 15, tzinfo=UTC)
    claims = TOKENS.verify(issued.token, NOW + timedelta(minutes=14))
    assert (claims.session_id, claims.user_id, claims.account_id) == (SESSION.id, SESSION.user_id, SESSION.account_id)
    with pytest.raises(UnauthenticatedError, match="expired"):
        TOKENS.verify(issued.token, issued.expires_at)


def test_a_token_names_its_key_and_its_claims() -> None:
    token = TOKENS.issue(SESSION, NOW).token
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT", "kid": TOKENS.key_id}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {
        "iss": "tillstream",
        "aud": "tillstream",
        "sub": SESSION.user_id,
        "sid": SESSION.id,
        "acc": SESSION.account_id,
        "role": "OWNER",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
    }


def test_the_published_key_verifies_our_tokens() -> None:
    published = jwt.PyJWKSet.from_dict(TOKENS.jwks())[TOKENS.key_id]
    token = TOKENS.issue(SESSION, datetime.now(UTC)).token
    assert jwt.decode(token, published.key, algorithms=["EdDSA"], audience="tillstream")["sid"] == SESSION.id
    assert "d" not in TOKENS.jwks()["keys"][0]


def unsigned(claims: dict[str, object]) -> str:
    parts = [json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."


KID = {"kid": TOKENS.key_id}
GOOD: dict[str, object] = {
    "iss": "tillstream",
    "aud": "tillstream",
    "sub": "u",
    "sid": "s",
    "acc": "a",
    "role": "OWNER",
    "iat": 0,
    "exp": 4_000_000_000,
}
FORGED = [
    "",
    "x",
    "a.b.c",
    "é" * 10,
    "x" * 1_000_000,
    unsigned(GOOD),
    TOKENS.issue(SESSION, NOW).token + "x",
    jwt.encode(GOOD, pem_of(Ed25519PrivateKey.generate()), algorithm="EdDSA", headers=KID),
    jwt.encode(GOOD, base64.urlsafe_b64decode(TOKENS.jwks()["keys"][0]["x"] + "="), algorithm="HS256", headers=KID),
    jwt.encode(GOOD | {"iss": "someone else"}, KEY, algorithm="EdDSA", headers=KID),
    *(
        jwt.encode({name: value for name, value in GOOD.items() if name != left_out}, KEY, algorithm="EdDSA", headers=KID)
        for left_out in GOOD
    ),
    jwt.encode(GOOD | {"aud": "another api"}, KEY, algorithm="EdDSA", headers=KID),
    jwt.encode(GOOD, KEY, algorithm="EdDSA"),
    jwt.encode(GOOD, KEY, algorithm="EdDSA", headers={"kid": "unknown"}),
    jwt.encode(GOOD | {"sid": 5}, KEY, algorithm="EdDSA", headers=KID),
    jwt.encode(GOOD | {"exp": True}, KEY, algorithm="EdDSA", headers=KID),
]


@pytest.mark.parametrize("token", FORGED, ids=range(len(FORGED)))
def test_a_token_that_we_did_not_issue_like_this_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        TOKENS.verify(token, NOW)


def test_only_an_ed25519_key_signs() -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="Ed25519"):
        AccessTokens(other, 900)


def test_a_new_key_signs_and_the_one_before_still_verifies() -> None:
    newest = Ed25519PrivateKey.generate()
    rotated = AccessTokens(pem_of(newest) + pem_of(KEY), 900)
    assert rotated.verify(TOKENS.issue(SESSION, NOW).token, NOW).session_id == SESSION.id
    assert rotated.key_id != TOKENS.key_id
    assert {key["kid"] for key in rotated.jwks()["keys"]} == {rotated.key_id, TOKENS.key_id}
    with pytest.raises(UnauthenticatedError):
        TOKENS.verify(rotated.issue(SESSION, NOW).token, NOW)
    with pytest.raises(UnauthenticatedError):
        AccessTokens(pem_of(newest), 900).verify(TOKENS.issue(SESSION, NOW).token, NOW)


def test_a_good_token_is_taken() -> None:
    """The one that those above differ from."""
    assert TOKENS.verify(jwt.encode(GOOD, KEY, algorithm="EdDSA", headers=KID), NOW).session_id == "s"


def test_refresh_tokens_are_256_random_bits_of_which_only_a_hash_is_kept() -> None:
    token = new_refresh_token()
    family, secret = token.split(".")
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert len(base64.urlsafe_b64decode(family + "==")) == 16
    assert family_of(token) == family
    assert token != new_refresh_token()
    assert new_refresh_token(family).startswith(f"{family}.")
    assert hash_of(token) == hash_of(token) != token
    assert len(hash_of("\ud800" * 1000)) == 64
