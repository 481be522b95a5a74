from decimal import Decimal

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from resolvers.money import (
    MONEY_SCALAR,
    MOST_AMOUNT_MINOR,
    PERCENTAGE_SCALAR,
    currency_code,
    from_minor,
    from_ppm,
    parse_decimal,
    rounded_minor,
    to_minor,
    to_ppm,
)


@pytest.mark.parametrize("text", ["0", "12.50", "-3", "999999999999999.9999", "0007.1"])
def test_a_decimal_in_a_string_is_taken_exactly(text: str) -> None:
    assert parse_decimal(text) == Decimal(text)


REFUSED = ["", " 1", "1.", ".5", "1e3", "NaN", "Infinity", "1,50", "1" * 40, "1.23456", "٣", "12.50\n", "+1", 12.5, 12, True, None, ["1"]]


@pytest.mark.parametrize("value", REFUSED)
def test_anything_but_a_plain_decimal_string_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError, match="decimal number in a string"):
        parse_decimal(value)


@pytest.mark.parametrize("literal", ["12.5", "12", "true", "[1]", '"1e3"', "EUR", "{a: 1}"])
def test_a_literal_that_is_no_decimal_string_is_refused(literal: str) -> None:
    assert MONEY_SCALAR.parse_literal is not None
    with pytest.raises(GraphQLError, match="decimal number in a string"):
        MONEY_SCALAR.parse_literal(parse_value(literal), None)


def test_a_literal_decimal_string_is_taken() -> None:
    assert MONEY_SCALAR.parse_literal is not None
    assert MONEY_SCALAR.parse_literal(parse_value('"12.50"'), None) == Decimal("12.50")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.50", "EUR", 1250), ("12.5", "EUR", 1250), ("-12", "EUR", -1200), ("500", "JPY", 500), ("1.234", "KWD", 1234), ("0", "USD", 0)],
)
def test_an_amount_becomes_minor_units_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency, "price") == minor


@pytest.mark.parametrize(
    ("amount", "currency", "message"),
    [
        ("1.005", "EUR", "at most 2 decimals"),
        ("1.000", "EUR", "at most 2 decimals"),
        ("1.5", "JPY", "no decimals"),
        ("999999999999999.9999", "CLF", "too large"),
        ("10000000000000.01", "EUR", "too large"),
        ("-10000000000000.01", "EUR", "too large"),
    ],
)
def test_an_amount_that_does_not_fit_its_currency_is_refused_by_name(amount: str, currency: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        to_minor(Decimal(amount), currency, "input.price")
    assert [problem.path for problem in caught.value.fields] == ["input.price"]


@given(st.integers(-MOST_AMOUNT_MINOR, MOST_AMOUNT_MINOR), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_minor_units_survive_the_way_out_and_in(minor: int, currency: str) -> None:
    amount = from_minor(minor, currency)
    assert MONEY_SCALAR.serialize is not None
    text = MONEY_SCALAR.serialize(amount)
    assert "E" not in text
    assert to_minor(Decimal(text), currency, "x") == minor


@pytest.mark.parametrize(("minor", "currency", "text"), [(1250, "EUR", "12.50"), (-5, "EUR", "-0.05"), (0, "EUR", "0.00"), (7, "JPY", "7")])
def test_an_amount_is_shown_with_exactly_the_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert MONEY_SCALAR.serialize is not None
    assert MONEY_SCALAR.serialize(from_minor(minor, currency)) == text


@pytest.mark.parametrize(("amount", "minor"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-2.5", -2), ("2.51", 3)])
def test_computed_amounts_are_rounded_half_to_even(amount: str, minor: int) -> None:
    assert rounded_minor(Decimal(amount)) == minor


@pytest.mark.parametrize(("ppm", "text"), [(190_000, "19"), (77_000, "7.7"), (0, "0"), (1_000_000, "100"), (1, "0.0001")])
def test_a_rate_is_percent_on_the_wire_and_millionths_inside(ppm: int, text: str) -> None:
    assert PERCENTAGE_SCALAR.serialize is not None
    assert PERCENTAGE_SCALAR.serialize(from_ppm(ppm)) == text
    assert to_ppm(Decimal(text)) == ppm


@pytest.mark.parametrize("code", ["eur", "XTS", "XAU", "ABC", "", "EURO", "E\0R"])
def test_a_code_that_names_no_money_is_no_currency(code: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        currency_code(code)
