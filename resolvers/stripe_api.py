"""Stripe's API, through its official library: the four calls that payments need, each with an idempotency key.

The library is not left to try again: the jobs that call here do, with the same key. What Stripe answers is told apart by what helps: to try
again later (UnavailableError), or nothing (PaymentRefusedError). Keys of Stripe's are never shown or logged.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
import stripe

from datastore.errors import UnavailableError
from datastore.settings import Settings

AT_ONCE: Final = 8
"""Jobs of one kind that call Stripe in one process at the same time."""

CALL_SECONDS: Final = 25.0
"""How long one call may take."""

_CONFLICT: Final = 409
_MOST_LISTED: Final = 100

logger = logging.getLogger(__name__)


class PaymentRefusedError(RuntimeError):
    """Stripe will not do it, however often it is asked. Its text is safe to show."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent; with its secret its customer pays."""

    id: str
    client_secret: str
    status: str


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund at Stripe."""

    id: str
    status: str
    failure: str

    @classmethod
    def of(cls, refund: stripe.Refund) -> Self:
        """The refund, as far as it matters."""
        return cls(refund.id, refund.status or "pending", getattr(refund, "failure_reason", None) or "")


class _Connections(stripe.HTTPClient):
    """What Stripe's library calls with: httpx, with a limit on the whole of a call, however slowly its answer drips."""

    name = "httpx"

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """The body, the status and the headers of an answer."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                response = await self._client.request(method, url, headers=headers, content=post_data)
        except (httpx.HTTPError, TimeoutError) as error:
            raise stripe.APIConnectionError("Stripe did not answer.") from error  # type: ignore[no-untyped-call]
        return response.content, response.status_code, response.headers


class Payments:
    """The Stripe account of the deployment; without a secret key, every call is refused."""

    def __init__(self, settings: Settings, client: stripe.StripeClient | None) -> None:
        self._client = client
        self.publishable_key = settings.stripe_publishable_key

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncGenerator[Self, None]:
        """The client that the settings name, on connections of its own."""
        if settings.stripe_secret_key is None:
            yield cls(settings, None)
            return
        async with httpx.AsyncClient(timeout=CALL_SECONDS) as connections:
            client = stripe.StripeClient(
                settings.stripe_secret_key.get_secret_value(),
                base_addresses={"api": settings.stripe_api_base.rstrip("/")},
                max_network_retries=0,
                http_client=_Connections(connections),
            )
            yield cls(settings, client)

    async def create_intent(self, amount: int, currency: str, metadata: Mapping[str, str], key: str) -> Intent:
        """A new PaymentIntent over an amount as Stripe counts it, or the one that was made with the same key."""
        with _judged():
            made = await self._at_stripe.v1.payment_intents.create_async(
                {"amount": amount, "currency": currency.lower(), "metadata": dict(metadata)}, {"idempotency_key": key}
            )
        return Intent(made.id, made.client_secret or "", made.status)

    async def cancel_intent(self, intent_id: str, key: str) -> str:
        """Cancels a PaymentIntent, so that nobody can pay it any more; its status then, which may be another where that came too late."""
        intents = self._at_stripe.v1.payment_intents
        with _judged():
            try:
                return (await intents.cancel_async(intent_id, {}, {"idempotency_key": key})).status
            except stripe.InvalidRequestError:  # as it is, it cannot be cancelled, or was already
                return (await intents.retrieve_async(intent_id)).status

    async def refund(self, intent_id: str, amount: int | None, metadata: Mapping[str, str], key: str) -> GivenBack:
        """Gives back an amount of a PaymentIntent, None: all, once for the same metadata, however long ago it was first asked for.

        Stripe forgets idempotency keys after a day, and answers a key whose request failed inside Stripe with that failure until then. So
        the refunds that are there are looked through first.
        """
        refunds = self._at_stripe.v1.refunds
        with _judged():
            listed = await refunds.list_async({"payment_intent": intent_id, "limit": _MOST_LISTED})
            for one in listed.data:
                if one.status not in {"failed", "canceled"} and one.metadata and one.metadata.to_dict() == metadata:
                    return GivenBack.of(one)
            asked: stripe.params.RefundCreateParams = {"payment_intent": intent_id, "metadata": dict(metadata)}
            if amount is not None:
                asked["amount"] = amount
            made = await refunds.create_async(asked, {"idempotency_key": key})
        return GivenBack.of(made)

    @property
    def _at_stripe(self) -> stripe.StripeClient:
        if self._client is None:
            raise PaymentRefusedError("Payments are not set up on this server.")
        return self._client


@contextmanager
def _judged() -> Iterator[None]:
    """Turns what Stripe's library raises into what helps."""
    try:
        yield
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        logger.error("Stripe does not accept the server's key: %s", error.code)  # noqa: TRY400  Its text may show the key
        raise PaymentRefusedError("Stripe does not let this server in.") from None
    except stripe.RateLimitError as error:
        raise UnavailableError("Stripe asks to try again later.") from error
    except stripe.StripeError as error:
        refused = isinstance(error, stripe.InvalidRequestError | stripe.CardError | stripe.IdempotencyError)
        if refused and error.http_status != _CONFLICT:
            raise PaymentRefusedError(f"Stripe refused: {error.user_message or error.code}") from error
        logger.warning("Stripe does not do as it should: %s", error.http_status or repr(error.__cause__))
        raise UnavailableError("Stripe cannot be reached, or broke off.") from error
