"""One attempt to deliver a message, and when the next one is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Final

from datastore.schema_webhooks import WebhookDelivery, WebhookEndpoint
from datastore.sealing import SealBrokenError, Sealer
from resolvers.outward import CallFailedError, Outward
from resolvers.services import Services
from resolvers.webhook_signing import headers_of

SECONDS: Final = 10.0
"""That an attempt may take in all."""

# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
BACKOFFS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600)
)
"""Between each attempt and the next; a tenth at most comes on top by chance. After the last of them a message is given up."""

MOST_KEPT: Final = 1000
"""Characters of an answer that the log keeps."""

_SUCCESS: Final = range(200, 300)
_REDIRECTION: Final = range(300, 400)
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of an attempt: what the log is to say of it, and when the next one is due, if there is one."""

    delivered: bool
    status: int | None
    words: str
    next_attempt_at: datetime | None
    columns: dict[str, Any]


async def attempt(services: Services, outward: Outward, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> Attempted:
    """Sends a message once."""
    begun = services.clock()
    try:
        keys = keys_of(services.outside.sealer, endpoint, begun)
    except SealBrokenError:
        return _outcome(delivery, begun, error="The secret can no longer be read, for the server's own has changed. Rotate it.")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Tillstream-Webhooks/1",
        **headers_of(keys, delivery.id, begun, delivery.body),
    }
    try:
        answer = await outward.post(endpoint.url, headers, delivery.body.encode(), seconds=SECONDS)
    except CallFailedError as error:
        return _outcome(delivery, services.clock(), error=str(error))
    took = {"response_body": answer.body.decode("utf-8", "replace")[:MOST_KEPT], "duration_ms": round(answer.seconds * 1000)}
    if answer.status in _SUCCESS:
        return _outcome(delivery, services.clock(), status=answer.status, took=took)
    redirected = " Redirects are not followed." if answer.status in _REDIRECTION else ""
    return _outcome(
        delivery, services.clock(), status=answer.status, took=took, error=f"The receiver answered {answer.status}.{redirected}"
    )


def keys_of(sealer: Sealer, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The secrets that messages are signed with: the newest, and for a while the one before it."""
    secrets = [endpoint.secret]
    if endpoint.old_secret is not None and endpoint.old_secret_until is not None and now < endpoint.old_secret_until:
        secrets.append(endpoint.old_secret)
    return [sealer.open(secret) for secret in secrets]


def _outcome(
    delivery: WebhookDelivery, now: datetime, *, status: int | None = None, took: dict[str, Any] | None = None, error: str | None = None
) -> Attempted:
    next_attempt_at = None if error is None else _next_attempt(delivery, now)
    state = "DELIVERED" if error is None else ("FAILED" if next_attempt_at is None else "SCHEDULED")
    columns: dict[str, Any] = {
        "state": state,
        "next_attempt_at": next_attempt_at,
        "response_status": status,
        "error": error,
        "response_body": None,
        "duration_ms": None,
        **(took or {}),
    }
    if error is None:
        columns["delivered_at"] = now
    return Attempted(error is None, status, error or "", next_attempt_at, columns)


def _next_attempt(delivery: WebhookDelivery, now: datetime) -> datetime | None:
    if delivery.attempts >= len(BACKOFFS):
        return None
    due = now + BACKOFFS[delivery.attempts] * _random.uniform(1, 1.1)
    return due.replace(microsecond=due.microsecond // 1000 * 1000)
