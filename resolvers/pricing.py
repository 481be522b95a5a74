"""The arithmetic of sales and refunds: exact, in whole minor units, and pure.

A line's own discount is taken off its price; the discount of the sale as a whole is spread over the lines in proportion to what is then
left of each. Tax is worked out line by line, so that lines of different rates add up, and a sale's amounts are the sums of its lines'.
Everything is rounded half to even, so that many roundings do not drift (IEEE 754, roundTiesToEven).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datastore.errors import InvalidInputError
from resolvers.money import MOST_AMOUNT_MINOR

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one thing, and what is taken off for them; amounts in minor units, the rate of tax in millionths."""

    quantity: int
    unit_price_minor: int
    tax_rate_ppm: int
    discount_minor: int = 0


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line's amounts. `discount_minor` is its own and its share of the sale's; `total_minor` is what is paid for it, tax included."""

    gross_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class PricedSale:
    """A sale's amounts, each the sum of its lines'."""

    lines: tuple[PricedLine, ...]
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int


def price_sale(lines: Sequence[Line], discount_minor: int, *, prices_include_tax: bool) -> PricedSale:
    """What the lines of a sale cost, `discount_minor` being taken off the whole.

    Raises InvalidInputError, naming the part of `recordSale`'s input, for a discount that is more than what it is taken off, and for
    amounts beyond `MOST_AMOUNT_MINOR`.
    """
    left = [_less_own_discount(line, f"input.items.{position}") for position, line in enumerate(lines)]
    if discount_minor > sum(left):
        raise InvalidInputError.of("input.discount", "must not be more than what the items cost")
    priced = tuple(
        _priced(line, remaining - share, prices_include_tax=prices_include_tax)
        for line, remaining, share in zip(lines, left, shares(discount_minor, left), strict=True)
    )
    sale = PricedSale(
        priced,
        subtotal_minor=sum(line.gross_minor for line in priced),
        discount_minor=sum(line.discount_minor for line in priced),
        tax_minor=sum(line.tax_minor for line in priced),
        total_minor=sum(line.total_minor for line in priced),
    )
    if max(sale.subtotal_minor, sale.total_minor) > MOST_AMOUNT_MINOR:
        raise InvalidInputError.of("input.items", "too large an amount in all")
    return sale


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """The amount in whole parts, in proportion to the weights, by largest remainder (Hamilton's method): the parts add up to the amount.

    Of equal remainders the first is served. No part is larger than its weight where the amount is not larger than their sum.
    """
    whole = sum(weights)
    if not amount or not whole:
        return [0] * len(weights)
    parts, remainders = zip(*(divmod(amount * weight, whole) for weight in weights), strict=True)
    left_over = amount - sum(parts)
    served = set(sorted(range(len(weights)), key=lambda position: -remainders[position])[:left_over])
    return [part + (position in served) for position, part in enumerate(parts)]


def tax_of(amount_minor: int, rate_ppm: int, *, included: bool) -> int:
    """The tax in an amount that includes it, else the tax that comes on top."""
    return rounded(amount_minor * rate_ppm, MILLION + rate_ppm if included else MILLION)


def part_of(amount_minor: int, *, before: int, after: int, whole: int) -> int:
    """The part of an amount that falls to what lies from `before` to `after` in a `whole` that it belongs to; none to a whole of nothing.

    A line's total belongs to its pieces, and its tax to its total: so no part of the tax is larger than the part of the total that it is
    in. Cumulative: however a line is given back, the parts add up to exactly the amount.
    """
    if not whole:
        return 0
    return rounded(amount_minor * after, whole) - rounded(amount_minor * before, whole)


def rounded(numerator: int, denominator: int) -> int:
    """The quotient of an amount that is not negative and a positive number, rounded half to even."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def _less_own_discount(line: Line, path: str) -> int:
    gross = line.unit_price_minor * line.quantity
    if gross > MOST_AMOUNT_MINOR:
        raise InvalidInputError.of(path, "too large an amount")
    if line.discount_minor > gross:
        raise InvalidInputError.of(f"{path}.discount", "must not be more than what the item costs")
    return gross - line.discount_minor


def _priced(line: Line, amount: int, *, prices_include_tax: bool) -> PricedLine:
    gross = line.unit_price_minor * line.quantity
    tax = tax_of(amount, line.tax_rate_ppm, included=prices_include_tax)
    return PricedLine(gross, gross - amount, tax, amount if prices_include_tax else amount + tax)
