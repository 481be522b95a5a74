from datetime import UTC, date, datetime
from typing import Any

import pytest
from graphql import GraphQLError, parse_value

from resolvers.scalars import SCALARS, Quantity

QUANTITY = SCALARS[Quantity]
MOMENT = SCALARS[datetime]
DAY = SCALARS[date]


def parsed(scalar: Any, value: object) -> Any:
    return scalar.parse_value(value)


def parsed_literal(scalar: Any, literal: str) -> Any:
    return scalar.parse_literal(parse_value(literal), None)


@pytest.mark.parametrize("value", [0, -1, 10**12, -(10**12)])
def test_a_quantity_may_be_larger_than_an_int(value: int) -> None:
    assert parsed(QUANTITY, value) == value
    assert parsed_literal(QUANTITY, str(value)) == value


@pytest.mark.parametrize("value", [10**12 + 1, 1.0, 1.5, float("nan"), True, "1", None, 10**4000])
def test_a_quantity_is_a_whole_number_in_range(value: object) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        parsed(QUANTITY, value)


@pytest.mark.parametrize("literal", ["1.5", '"1"', "9" * 5000, "true", "1000000000001"])
def test_a_literal_quantity_is_a_whole_number_in_range(literal: str) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        parsed_literal(QUANTITY, literal)


def test_a_moment_is_utc_in_milliseconds() -> None:
    assert MOMENT.serialize is not None
    assert MOMENT.serialize(datetime(2026, 11, 23, 18, 30, 0, 123000, tzinfo=UTC)) == "2026-11-23T18:30:00.123Z"
    assert parsed(MOMENT, "2026-11-23T19:30:00.123456+01:00") == datetime(2026, 11, 23, 18, 30, 0, 123000, tzinfo=UTC)
    assert parsed_literal(MOMENT, '"2026-11-23T18:30:00Z"') == datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["2026-11-23T18:30:00", "tomorrow", "", 1700000000, None, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_text_that_names_no_moment_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError, match="ISO 8601"):
        parsed(MOMENT, value)


def test_a_day_is_written_as_iso_8601_has_it() -> None:
    assert DAY.serialize is not None
    assert DAY.serialize(date(26, 2, 3)) == "0026-02-03"
    assert parsed(DAY, "2026-11-23") == parsed_literal(DAY, '"2026-11-23"') == date(2026, 11, 23)


@pytest.mark.parametrize(
    "value", ["20261123", "2026-W48-1", "2026-02-30", "0000-01-01", "٢٠٢٦-11-23", "2026-11-23\n", "", 20261123, None, True]
)
def test_a_text_that_names_no_day_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError, match="ISO 8601"):
        parsed(DAY, value)
