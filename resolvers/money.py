"""Money and rates, exact everywhere: decimals in strings on the wire, whole minor units or millionths in the database.

How many decimals a currency has is ISO 4217's word (from the package `iso4217`, which carries the agency's published table).
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode
from iso4217 import Currency
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from strawberry.types.scalar import ScalarDefinition

from datastore.errors import InvalidInputError

MOST_MINOR = 2**63 - 1
"""The most that an amount in the database can hold, in minor units."""

MOST_AMOUNT_MINOR = 10**15
"""The most that one amount may be that is sent, or that a sale comes to: sums of 9,000 such fit the database."""

_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", re.ASCII)
_PPM_PER_PERCENT = 10_000

Money = NewType("Money", Decimal)
"""An amount in the major unit of a currency that is known from where it stands."""

Percentage = NewType("Percentage", Decimal)
"""A rate in percent, with up to four decimals."""


def parse_decimal(value: object, node: ValueNode | None = None) -> Decimal:
    """A decimal number sent as text, `node` being the literal that it stands in, if it does.

    Raises GraphQLError for anything else: a JSON number may have lost digits before it came here.
    """
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        message = 'must be a decimal number in a string, such as "12.50", with at most 15 digits before the point and 4 after it'
        raise GraphQLError(message, node)
    return Decimal(value)


def _parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Decimal:
    return parse_decimal(node.value if isinstance(node, StringValueNode) else None, node)


def _money_on_the_wire(amount: Decimal) -> str:
    return f"{amount:f}"


def _percentage_on_the_wire(rate: Decimal) -> str:
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


MONEY_SCALAR: ScalarDefinition = strawberry.scalar(
    name="Money",
    description='An exact amount of money as a decimal string, such as "12.50", in the currency beside it, with its decimals. '
    "Never a JSON number.",
    serialize=_money_on_the_wire,
    parse_value=parse_decimal,
    parse_literal=_parse_literal,
)

PERCENTAGE_SCALAR: ScalarDefinition = strawberry.scalar(
    name="Percentage",
    description='An exact rate in percent as a decimal string with up to four decimals, such as "19" or "7.7". Never a JSON number.',
    serialize=_percentage_on_the_wire,
    parse_value=parse_decimal,
    parse_literal=_parse_literal,
)


@cache
def currency_digits(currency: str) -> int:
    """How many decimals amounts of a currency have: 2 for EUR, 0 for JPY, 3 for KWD. Raises ValueError for a code that is no money's."""
    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    if digits is None:  # also gold, bonds and test codes: they have no minor unit
        raise ValueError('must be the ISO 4217 code of a currency, such as "EUR"')
    return int(digits)


def currency_code(value: str) -> str:
    """An ISO 4217 code of a currency that has a minor unit. Raises ValueError."""
    currency_digits(value)
    return value


def to_minor(amount: Decimal, currency: str, path: str) -> int:
    """The amount in whole minor units of the currency.

    Raises InvalidInputError naming `path` where it has more decimals than the currency, or is more than `MOST_AMOUNT_MINOR`.
    """
    digits = currency_digits(currency)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > digits:
        decimals = {0: "no decimals", 1: "at most one decimal"}.get(digits, f"at most {digits} decimals")
        raise InvalidInputError.of(path, f"amounts of {currency} have {decimals}")
    minor = int(amount.scaleb(digits))
    if abs(minor) > MOST_AMOUNT_MINOR:
        raise InvalidInputError.of(path, "too large an amount")
    return minor


def from_minor(minor: int, currency: str) -> Money:
    """The amount in the major unit, with exactly the currency's decimals."""
    return Money(Decimal(minor).scaleb(-currency_digits(currency)))


def rounded_minor(amount: Decimal) -> int:
    """A computed amount in minor units, rounded half to even, so that many roundings do not drift."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def to_ppm(rate: Decimal) -> int:
    """A rate in percent as whole millionths."""
    return int(rate * _PPM_PER_PERCENT)


def from_ppm(ppm: int) -> Percentage:
    """Millionths as percent."""
    return Percentage(Decimal(ppm) / _PPM_PER_PERCENT)


def _not_negative(amount: Money) -> Money:
    if amount < 0:
        raise ValueError("must not be negative")
    return Money(abs(amount))  # "-0.00" is zero


def _rate_in_range(rate: Percentage) -> Percentage:
    if not 0 <= rate <= 100:  # noqa: PLR2004 (percent)
        raise ValueError("must be from 0 to 100 percent")
    return Percentage(abs(rate))


def _exact(value: object) -> object:
    """A decimal as GraphQL has parsed it, or its text, as JSON and spreadsheets bring it."""
    if isinstance(value, Decimal):
        return value
    try:
        return parse_decimal(value)
    except GraphQLError as error:
        raise ValueError(error.message) from None


_IN_JSON = {"type": "string", "pattern": "^[0-9]{1,15}([.][0-9]{1,4})?$", "examples": ["12.50"]}

Price = Annotated[Money, BeforeValidator(_exact), AfterValidator(_not_negative), WithJsonSchema(_IN_JSON)]
"""An amount that may be zero but not less."""

TaxRate = Annotated[Percentage, BeforeValidator(_exact), AfterValidator(_rate_in_range), WithJsonSchema(_IN_JSON)]
CurrencyCode = Annotated[str, AfterValidator(currency_code)]
