"""The API's own scalars and the Python types they stand for."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode
from pydantic import AfterValidator
from strawberry.types.scalar import ScalarDefinition

from resolvers.money import MONEY_SCALAR, PERCENTAGE_SCALAR, Money, Percentage

MOST_QUANTITY = 10**12
_LONGEST_LITERAL = 32
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

Quantity = NewType("Quantity", int)
"""A count of things, which may be more than GraphQL's 32-bit Int holds."""


def _not_negative(quantity: Quantity) -> Quantity:
    if quantity < 0:
        raise ValueError("must not be negative")
    return quantity


def _positive(quantity: Quantity) -> Quantity:
    if quantity < 1:
        raise ValueError("must be at least 1")
    return quantity


Count = Annotated[Quantity, AfterValidator(_not_negative)]
"""How many there are of something."""

Pieces = Annotated[Quantity, AfterValidator(_positive)]
"""How many change hands: at least one."""


def _parse_quantity(value: object, node: ValueNode | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MOST_QUANTITY:
        raise GraphQLError(f"must be a whole number from -{MOST_QUANTITY:,} to {MOST_QUANTITY:,}", node)
    return value


def _parse_quantity_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> int:
    # Python refuses to read numbers of thousands of digits, with an error of its own.
    readable = isinstance(node, IntValueNode) and len(node.value) < _LONGEST_LITERAL
    return _parse_quantity(int(node.value) if readable and isinstance(node, IntValueNode) else None, node)


def _time_on_the_wire(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse_time(value: object, node: ValueNode | None = None) -> datetime:
    try:
        if not isinstance(value, str) or len(value) > _LONGEST_LITERAL or not value.isascii():
            raise TypeError
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        moment = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        message = 'must be a time with its offset from UTC as ISO 8601 writes it, such as "2026-11-23T18:30:00Z"'
        raise GraphQLError(message, node) from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _parse_time_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> datetime:
    return _parse_time(node.value if isinstance(node, StringValueNode) else None, node)


def _parse_date(value: object, node: ValueNode | None = None) -> date:
    try:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise GraphQLError('must be a day as ISO 8601 writes it, such as "2026-11-23"', node) from None


def _parse_date_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> date:
    return _parse_date(node.value if isinstance(node, StringValueNode) else None, node)


SCALARS: dict[object, ScalarDefinition] = {
    Money: MONEY_SCALAR,
    Percentage: PERCENTAGE_SCALAR,
    Quantity: strawberry.scalar(
        name="Quantity",
        description="A whole number from -1,000,000,000,000 to 1,000,000,000,000, as a JSON number.",
        serialize=int,
        parse_value=_parse_quantity,
        parse_literal=_parse_quantity_literal,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment, UTC, in milliseconds, as in ISO 8601: "2026-11-23T18:30:00.000Z". Other offsets are taken and converted.',
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=_time_on_the_wire,
        parse_value=_parse_time,
        parse_literal=_parse_time_literal,
    ),
    date: strawberry.scalar(
        name="Date",
        description='A day of the account\'s time zone, as in ISO 8601: "2026-11-23".',
        specified_by_url="https://scalars.graphql.org/andimarek/local-date",
        serialize=date.isoformat,
        parse_value=_parse_date,
        parse_literal=_parse_date_literal,
    ),
}
"""For `StrawberryConfig(scalar_map=…)`."""
