"""Amounts as Stripe counts them, which is not always in the minor units of ISO 4217 (https://docs.stripe.com/currencies).

The conversion is exact, or it is refused: an amount that is wrong by a factor of a hundred is worse than none.
"""

from typing import Final

from datastore.errors import ConflictError
from resolvers.money import currency_digits, from_minor

_TENS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Three decimals, of which the last must be 0."""

_HUNDREDFOLD: Final = frozenset({"ISK"})
"""No decimals, but counted as if there were two."""

_WHOLE: Final = frozenset({"MGA"})
"""Two decimals by ISO 4217, none for Stripe."""

_UNCERTAIN: Final = frozenset({"UGX"})
"""Stripe's page lists it with the currencies without decimals and with those that are counted as if they had two."""

_MOST_USUAL_DIGITS: Final = 2


def stripe_amount(minor: int, currency: str) -> int:
    """An amount in minor units as Stripe counts it. Raises ConflictError where Stripe cannot take exactly that much."""
    if currency in _HUNDREDFOLD:
        return minor * 100
    if currency in _WHOLE:
        return _in_steps(minor, currency, 100) // 100
    if currency in _TENS:
        return _in_steps(minor, currency, 10)
    if currency in _UNCERTAIN or currency_digits(currency) > _MOST_USUAL_DIGITS:
        raise ConflictError(f"Amounts of {currency} cannot be paid through Stripe.")
    return minor


def _in_steps(minor: int, currency: str, step: int) -> int:
    if minor % step:
        raise ConflictError(f"Through Stripe, amounts of {currency} can only be paid in steps of {from_minor(step, currency)}.")
    return minor
