"""Signatures, held to those of botocore, and to what a real store takes (tests/resolvers/test_uploads.py)."""

import base64
import json
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from datastore.signing import Signer

AT = datetime(2026, 11, 28, 13, 5, 7, tzinfo=UTC)
SIGNER = Signer("https://s3.example.org:8333", "shop", "eu-central-1", "AKIDEXAMPLE", "secret/key+1")


@pytest.mark.parametrize("key", ["files/a/b", "a b/ü+~%2F&c=d", "x"])
def test_a_signed_url_is_the_one_that_botocore_makes(key: str) -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": "5"}
    query = {"response-content-disposition": "attachment; filename=\"a b\"; filename*=UTF-8''%C3%BC", "partNumber": "1"}
    ours = SIGNER.url("PUT", key, at=AT, seconds=60, query=query, headers=headers)
    path = urlsplit(ours).path
    request = AWSRequest("PUT", f"https://s3.example.org:8333{path}", headers=headers, params=query)
    auth = S3SigV4QueryAuth(Credentials("AKIDEXAMPLE", "secret/key+1"), "s3", "eu-central-1", expires=60)
    with patch("botocore.auth.get_current_datetime", lambda *_args, **_named: AT):
        auth.add_auth(request)
    assert dict(parse_qsl(urlsplit(ours).query)) == dict(parse_qsl(urlsplit(request.url).query))


def test_a_signed_form_is_the_one_that_botocore_makes() -> None:
    ours = SIGNER.form("arriving/x", at=AT, seconds=60, content_type="image/png", size=7)
    policy = json.loads(base64.b64decode(ours["policy"]))
    assert policy["expiration"] == "2026-11-28T13:06:07.000Z"
    assert ["content-length-range", 7, 7] in policy["conditions"]
    assert {"Content-Type": "image/png"} in policy["conditions"]
    request = AWSRequest("POST", SIGNER.form_url)
    named = [condition for condition in policy["conditions"] if not (isinstance(condition, dict) and "x-amz-date" in str(condition))]
    assert {"bucket": "shop"} in named
    request.context["timestamp"] = ours["x-amz-date"]
    auth = S3SigV4PostAuth(Credentials("AKIDEXAMPLE", "secret/key+1"), "s3", "eu-central-1")
    assert ours["x-amz-signature"] == auth.signature(ours["policy"], request)
    assert ours["x-amz-credential"] == auth.scope(request)


def test_the_same_moment_gives_the_same_url_and_another_gives_another() -> None:
    first = SIGNER.url("GET", "x", at=AT, seconds=60)
    assert SIGNER.url("GET", "x", at=AT, seconds=60) == first
    assert SIGNER.url("GET", "x", at=AT.replace(second=8), seconds=60) != first


def test_a_secret_is_in_no_text_that_is_logged() -> None:
    assert "secret" not in repr(SIGNER)
