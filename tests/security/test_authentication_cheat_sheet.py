"""OWASP Authentication and JSON Web Token Cheat Sheets; ASVS 4.0.3, 2.2, 3.3, 3.5.3; ASVS 5.0, 6.3.8, 7.4.1, 9.1 and 9.2."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWT

from tests.gql.api import PASSWORD, Person
from tests.security.conftest import Site

VIEWER = "{ viewer { email } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { refreshToken } }"
JWT = PyJWT()


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def changed(token: str, header: dict[str, Any], claims: dict[str, Any], signature: str | None = None) -> str:
    """A token with other words in its header and its claims, under the same signature or another."""
    parts = token.split(".")
    said = [json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in parts[:2]]
    return ".".join([encoded(said[0] | header), encoded(said[1] | claims), parts[2] if signature is None else signature])


def signed_by_another(token: str) -> str:
    claims = JWT.decode(token, options={"verify_signature": False})
    return JWT.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=unverified_header(token))


def unverified_header(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(f"{token.split('.', 1)[0]}=="))
    return {"kid": header["kid"]}


FORGED: dict[str, Callable[[str], str]] = {
    "unsigned": lambda token: changed(token, {"alg": "none"}, {}, ""),
    "unsigned, in capitals": lambda token: changed(token, {"alg": "NONE"}, {}, ""),
    "signed as with a shared secret": lambda token: changed(token, {"alg": "HS256"}, {}),
    "with another person in it": lambda token: changed(token, {}, {"sub": "usr_01J00000000000000000000000"}),
    "that lasts longer": lambda token: changed(token, {}, {"exp": 2**40}),
    "with a key of its own": lambda token: changed(token, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, {}, "AA"),
    "whose key is at an address": lambda token: changed(token, {"jku": "https://evil.example/jwks.json"}, {}, "AA"),
    "whose key is a file": lambda token: changed(token, {"kid": "../../../dev/null"}, {}),
    "signed by somebody else": signed_by_another,
    "cut short": lambda token: token[:-1],
    "of nothing": lambda _: "..",
    "of much": lambda _: "a" * 8000,
}


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED)
async def test_a_token_that_was_not_given_out_is_worth_nothing(site: Site, ada: Person, forgery: Callable[[str], str]) -> None:
    answer = await site.post(VIEWER, Authorization=f"Bearer {forgery(ada.access_token)}")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "viewer" not in answer.text
    assert await site.codes(VIEWER, Authorization=f"Bearer {ada.access_token}") == []


async def test_a_session_that_was_ended_is_worth_nothing_from_that_moment_on(site: Site, ada: Person) -> None:
    signed = f"Bearer {ada.access_token}"
    assert await site.codes("mutation { signOut }", Authorization=signed) == []
    assert await site.codes(VIEWER, Authorization=signed) == ["UNAUTHENTICATED"]
    refresh = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }"
    assert await site.codes(refresh, {"token": ada.refresh_token}) == ["UNAUTHENTICATED"]


async def test_signing_in_tells_nobody_who_has_an_account(site: Site, ada: Person) -> None:
    answers = [
        (await site.post(SIGN_IN, {"input": {"email": email, "password": f"{PASSWORD}x"}})).json()["errors"]
        for email in ("ada@example.org", "nobody@example.org")
    ]
    assert answers[0] == answers[1]


async def test_no_password_and_no_hash_of_one_can_be_asked_for(site: Site, ada: Person) -> None:
    for field in ("password", "passwordHash", "refreshHash", "refreshToken"):
        assert await site.codes(f"{{ viewer {{ {field} }} }}", Authorization=f"Bearer {ada.access_token}") == ["INVALID_INPUT"]
