"""Signatures of webhooks, against the standard's own example and its own library."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from resolvers.webhook_signing import headers_of, new_secret, signature

BODY = '{"type":"product.created","data":{"name":"Tee – Ü 🫖"}}'


def test_the_example_of_the_standard_has_the_signature_that_it_says() -> None:
    signed = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_of_the_secrets_verifies_a_message_and_no_other_does() -> None:
    old, new = new_secret(), new_secret()
    headers = headers_of([new, old], "whd_1", datetime.now(UTC), BODY)
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY.replace("Ü", "U"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY, {**headers, "webhook-id": "whd_2"})


def test_a_secret_is_random_and_as_long_as_the_standard_wants() -> None:
    assert new_secret() != new_secret()
    assert new_secret().startswith("whsec_")
    assert len(new_secret()) == len("whsec_") + 44
