from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from resolvers.money import MOST_AMOUNT_MINOR
from resolvers.pricing import Line, part_of, price_sale, rounded, shares, tax_of

RATES = st.one_of(st.sampled_from([0, 70_000, 77_000, 190_000, 1_000_000]), st.integers(0, 1_000_000))


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line, its own discount at most what it costs."""
    quantity, price = draw(st.integers(1, 10**6)), draw(st.integers(0, 10**6))
    return Line(quantity, price, draw(RATES), draw(st.integers(0, quantity * price)))


@st.composite
def sales(draw: st.DrawFn) -> tuple[list[Line], int]:
    """Lines, and a discount on the whole of them."""
    drawn = draw(st.lists(lines(), min_size=1, max_size=8))
    left = sum(line.quantity * line.unit_price_minor - line.discount_minor for line in drawn)
    return drawn, draw(st.integers(0, left))


@given(st.integers(0, 10**30), st.integers(1, 10**20))
def test_a_quotient_is_rounded_half_to_even(numerator: int, denominator: int) -> None:
    assert rounded(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(("numerator", "expected"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
def test_halves_go_to_the_even_neighbour(numerator: int, expected: int) -> None:
    assert rounded(numerator, 2) == expected


@given(st.lists(st.integers(0, 10**15), max_size=20), st.data())
def test_shares_add_up_and_none_is_larger_than_its_weight(weights: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    parts = shares(amount, weights)
    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))
    exact = [Fraction(amount * weight, sum(weights) or 1) for weight in weights]
    assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))


def test_of_equal_remainders_the_first_is_served() -> None:
    assert shares(100, [1, 1, 1]) == [34, 33, 33]
    assert shares(2, [3, 3, 3, 1]) == [1, 1, 0, 0]


@given(sales(), st.booleans())
def test_a_sale_is_the_sum_of_its_lines_and_nothing_is_lost(sale: tuple[list[Line], int], included: bool) -> None:
    wanted, discount = sale
    priced = price_sale(wanted, discount, prices_include_tax=included)
    assert priced.subtotal_minor == sum(line.quantity * line.unit_price_minor for line in wanted)
    assert priced.discount_minor == discount + sum(line.discount_minor for line in wanted)
    assert priced.tax_minor == sum(line.tax_minor for line in priced.lines)
    assert priced.total_minor == sum(line.total_minor for line in priced.lines)
    assert priced.total_minor == priced.subtotal_minor - priced.discount_minor + (0 if included else priced.tax_minor)
    for line, asked in zip(priced.lines, wanted, strict=True):
        assert asked.discount_minor <= line.discount_minor <= line.gross_minor
        assert 0 <= line.tax_minor <= line.total_minor


@given(st.integers(0, MOST_AMOUNT_MINOR), RATES)
def test_tax_is_worked_out_exactly_and_rounded_once(amount: int, ppm: int) -> None:
    rate = Fraction(ppm, 1_000_000)
    assert tax_of(amount, ppm, included=True) == round(amount * rate / (1 + rate))
    assert tax_of(amount, ppm, included=False) == round(amount * rate)
    on_top = (Decimal(amount) * ppm / 1_000_000).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    assert tax_of(amount, ppm, included=False) == int(on_top)


@given(st.integers(0, MOST_AMOUNT_MINOR), st.integers(1, 10**12), st.data())
def test_the_parts_of_a_line_add_up_to_it_however_it_is_given_back(amount: int, whole: int, data: st.DataObject) -> None:
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, whole), max_size=6))), whole]
    parts = [part_of(amount, before=before, after=after, whole=whole) for before, after in pairwise(cuts)]
    assert sum(parts) == amount
    assert all(part >= 0 for part in parts)


@given(st.integers(0, 10**6) | st.integers(0, MOST_AMOUNT_MINOR), st.integers(1, 1000), st.data())
def test_a_part_of_the_tax_is_never_more_than_the_part_of_the_total_that_it_is_in(total: int, whole: int, data: st.DataObject) -> None:
    tax = data.draw(st.integers(0, total))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, whole), max_size=6))), whole]
    paid = [part_of(total, before=0, after=cut, whole=whole) for cut in cuts]
    taxes = [part_of(tax, before=before, after=after, whole=total) for before, after in pairwise(paid)]
    assert sum(taxes) == tax
    assert all(0 <= part <= after - before for part, (before, after) in zip(taxes, pairwise(paid), strict=True))


def test_nothing_has_no_parts() -> None:
    assert part_of(0, before=0, after=0, whole=0) == 0


@pytest.mark.parametrize(
    ("included", "tax", "total"),
    [(True, 190, 1190), (False, 226, 1416)],
)
def test_prices_include_tax_or_get_it_on_top(included: bool, tax: int, total: int) -> None:
    priced = price_sale([Line(2, 595, 190_000)], 0, prices_include_tax=included)
    assert (priced.tax_minor, priced.total_minor) == (tax, total)


def test_lines_of_different_rates_are_taxed_each_by_its_own() -> None:
    priced = price_sale([Line(1, 1190, 190_000), Line(1, 1070, 70_000), Line(1, 500, 0)], 0, prices_include_tax=True)
    assert [line.tax_minor for line in priced.lines] == [190, 70, 0]


def test_the_discount_of_the_whole_is_spread_over_what_own_discounts_leave() -> None:
    priced = price_sale([Line(1, 1000, 0, 1000), Line(1, 1000, 0, 500), Line(1, 1000, 0)], 150, prices_include_tax=True)
    assert [line.discount_minor for line in priced.lines] == [1000, 550, 100]
    assert [line.total_minor for line in priced.lines] == [0, 450, 900]


@pytest.mark.parametrize(
    ("wanted", "discount", "path"),
    [
        ([Line(1, 5, 0), Line(2, 5, 0, 11)], 0, "input.items.1.discount"),
        ([Line(1, 5, 0), Line(2, 5, 0, 5)], 11, "input.discount"),
        ([Line(1, 0, 0)], 1, "input.discount"),
        ([Line(1, MOST_AMOUNT_MINOR + 1, 0)], 0, "input.items.0"),
        ([Line(10**12, MOST_AMOUNT_MINOR, 0)], 0, "input.items.0"),
        ([Line(1, MOST_AMOUNT_MINOR, 0), Line(1, 1, 0)], 0, "input.items"),
        ([Line(1, MOST_AMOUNT_MINOR, 0), Line(1, 1, 0, 1)], 0, "input.items"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wanted: list[Line], discount: int, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        price_sale(wanted, discount, prices_include_tax=True)
    assert [problem.path for problem in caught.value.fields] == [path]


def test_tax_on_top_counts_towards_the_most_that_a_sale_may_come_to() -> None:
    with pytest.raises(InvalidInputError, match=r"input\.items: too large"):
        price_sale([Line(1, MOST_AMOUNT_MINOR, 1)], 0, prices_include_tax=False)
    assert price_sale([Line(1, MOST_AMOUNT_MINOR, 1)], 0, prices_include_tax=True).total_minor == MOST_AMOUNT_MINOR
