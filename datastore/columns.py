"""The columns of a table as MongoDB stores them, derived from the fields of its model."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from datastore.errors import InvalidInputError
from datastore.tables import Row

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

_KINDS: dict[Any, str] = {str: "string", bool: "bool", int: "integer", datetime: "date", list[str]: "strings"}


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column. `kind` is string, integer (of 64 bits), bool, date (UTC, milliseconds) or strings (a list of them, never null);
    `choices` are all values it may have.
    """

    name: str
    kind: str
    nullable: bool
    choices: tuple[str, ...] | None = None


@cache
def columns_of(table: type[Row]) -> dict[str, Column]:
    """All stored columns of a table by name, computed ones included. Raises TypeError for a field of a type that no column has."""
    types: dict[str, Any] = {name: field.annotation for name, field in table.model_fields.items()}
    types |= {name: field.return_type for name, field in table.model_computed_fields.items()}
    return {_stored(name): _column(table, name, annotation) for name, annotation in types.items()}


def _stored(name: str) -> str:
    return "_id" if name == "id" else name


def _column(table: type[Row], name: str, annotation: Any) -> Column:
    choices = (annotation,) if get_origin(annotation) not in {Union, UnionType} else get_args(annotation)
    kinds = [choice for choice in choices if choice is not NoneType]
    nullable = len(kinds) < len(choices)
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return Column(_stored(name), "string", nullable, get_args(kinds[0]))
    if len(kinds) != 1 or kinds[0] not in _KINDS or (nullable and _KINDS[kinds[0]] == "strings"):
        raise TypeError(f"{table.spec.name}.{name}: no column can hold {annotation}")
    return Column(_stored(name), _KINDS[kinds[0]], nullable)


def check_storable(value: object, path: str) -> None:
    """Refuse what BSON cannot hold: an integer beyond 64 bits, text with half a surrogate pair, either of them in a list.

    Raises InvalidInputError at `path`. NUL in a text is no problem.
    """
    if isinstance(value, list):
        for item in value:
            check_storable(item, path)
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        raise InvalidInputError.of(path, "this number is too large to be stored (64 bits)")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidInputError.of(path, "this text holds half of a surrogate pair, which is no character") from None


@cache
def wire_name(column: str) -> str:
    """A column's name in the caller's words: `category_id` is `categoryId`, `name_key` is `name`, `price_minor` is `price`."""
    first, *others = column.removesuffix("_key").removesuffix("_minor").split("_")
    return first + "".join(other.capitalize() for other in others)
