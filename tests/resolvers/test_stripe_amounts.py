"""Amounts as Stripe counts them: its documented examples, and what it cannot take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import ConflictError
from resolvers.stripe_amounts import stripe_amount


@pytest.mark.parametrize(
    ("minor", "currency", "counted"),
    [
        (1000, "USD", 1000),
        (500, "JPY", 500),
        (5, "ISK", 500),
        (500, "MGA", 5),
        (5120, "KWD", 5120),
        (1045, "HUF", 1045),
        (80045, "TWD", 80045),
    ],
)
def test_the_examples_of_stripes_own_page_hold(minor: int, currency: str, counted: int) -> None:
    assert stripe_amount(minor, currency) == counted


@pytest.mark.parametrize(("minor", "currency", "step"), [(5124, "KWD", "0.010"), (1, "BHD", "0.010"), (550, "MGA", "1.00")])
def test_an_amount_between_the_steps_is_refused_and_never_rounded(minor: int, currency: str, step: str) -> None:
    with pytest.raises(ConflictError, match=f"steps of {step}"):
        stripe_amount(minor, currency)


@pytest.mark.parametrize("currency", ["UGX", "LYD", "IQD", "CLF"])
def test_currencies_that_stripe_does_not_take_are_refused(currency: str) -> None:
    with pytest.raises(ConflictError, match=currency):
        stripe_amount(1000, currency)


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(["EUR", "JPY", "ISK", "MGA", "KWD"]))
def test_no_two_amounts_are_counted_alike(minor: int, currency: str) -> None:
    counted = [stripe_amount(amount, currency) for amount in (minor * 1000, (minor + 1) * 1000)]
    assert counted[1] - counted[0] == {"ISK": 100_000, "MGA": 10}.get(currency, 1000)
