"""The calls of Stripe's API themselves: what is sent, and what of its answers is told apart."""

import asyncio

import pytest
from pydantic import SecretStr

from datastore.errors import UnavailableError
from datastore.settings import Settings
from resolvers.stripe_api import PaymentRefusedError, Payments
from tests.stripe_server import SECRET_KEY, LocalStripe, bad_road


def settings(url: str, **others: str) -> Settings:
    """Settings of a server that takes payments."""
    return Settings(env="test", stripe_secret_key=SecretStr(SECRET_KEY), stripe_api_base=url, **others)  # type: ignore[arg-type]


async def test_a_payment_intent_bears_what_was_asked_for(stripe: LocalStripe) -> None:
    async with Payments.open(settings(f"{stripe.url}/")) as payments:
        made = await payments.create_intent(1050, "EUR", {"a": "b"}, "key 1")
        found = await stripe.get(f"/v1/payment_intents/{made.id}")
        assert (found["amount"], found["currency"], found["metadata"], made.status) == (1050, "eur", {"a": "b"}, "requires_payment_method")
        assert made.client_secret == found["client_secret"]
        assert [await payments.cancel_intent(made.id, f"key {number}") for number in (2, 3)] == ["canceled", "canceled"]


async def test_what_was_paid_cannot_be_cancelled_any_more(stripe: LocalStripe) -> None:
    async with Payments.open(settings(stripe.url)) as payments:
        made = await payments.create_intent(1050, "EUR", {}, "key 4")
        await stripe.pay(made.client_secret)
        assert await payments.cancel_intent(made.id, "key 5") == "succeeded"


async def test_refunds_are_told_apart_by_their_metadata_and_made_once_for_each(stripe: LocalStripe) -> None:
    async with Payments.open(settings(stripe.url)) as payments:
        made = await payments.create_intent(1050, "EUR", {}, "key 6")
        await stripe.pay(made.client_secret)
        once, again = [await payments.refund(made.id, 50, {"n": "1"}, key) for key in ("key 7", "key 8")]
        other = await payments.refund(made.id, 60, {"n": "2"}, "key 9")
        assert (once, once.status) == (again, "succeeded")
        assert other.id != once.id


async def test_without_a_secret_key_every_call_is_refused() -> None:
    async with Payments.open(Settings(env="test", stripe_secret_key=None)) as payments:
        for call in (
            payments.create_intent(1, "EUR", {}, "k"),
            payments.cancel_intent("pi_1", "k"),
            payments.refund("pi_1", None, {}, "k"),
        ):
            with pytest.raises(PaymentRefusedError, match="not set up"):
                await call


async def test_where_nobody_listens_it_is_worth_trying_again() -> None:
    async with Payments.open(settings("http://127.0.0.1:9")) as payments:
        with pytest.raises(UnavailableError):
            await payments.create_intent(1, "EUR", {}, "k")


async def test_answers_that_are_no_json_are_worth_trying_again(stripe: LocalStripe) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<ht>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Payments.open(settings(f"http://127.0.0.1:{port}")) as payments:
            with pytest.raises(UnavailableError):
                await payments.create_intent(1, "EUR", {}, "k")


async def test_the_library_tries_nothing_again_by_itself(stripe: LocalStripe) -> None:
    async with bad_road(stripe) as road, Payments.open(settings(road.url)) as payments:
        road.faults = [500, "cut"]
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await payments.create_intent(1050, "EUR", {}, "key 10")
        assert [call.key for call in road.calls] == ["key 10", "key 10"]
