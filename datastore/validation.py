"""The last check before a row is stored: what gets past a resolver's own checks still becomes an error that names the field."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import bson
from pydantic import ValidationError

from datastore.columns import check_storable, wire_name
from datastore.database import CODEC, Document
from datastore.errors import FieldProblem, InvalidInputError
from datastore.tables import Row

AnyRow = TypeVar("AnyRow", bound=Row)

MAX_ROW_BYTES: Final = 1 << 20
"""So that no event of the change stream, which may hold a row twice, comes near MongoDB's 16 MB."""

MAX_KEY_BYTES: Final = 4096
"""Text in one index, so that a cursor stays short enough to be sent back (`MAX_CURSOR_CHARACTERS`)."""


_SMALL: Final = 1 << 53


def fields_of(row: Row) -> dict[str, Any]:
    """The fields of a row by name, computed ones left out."""
    return row.__dict__.copy()  # where Pydantic keeps them, and nothing else


def validated(table: type[AnyRow], fields: Mapping[str, Any]) -> tuple[AnyRow, Document, int]:
    """The row that these fields make, as it will be read back, its document and that one's size in bytes.

    Raises InvalidInputError naming each wrong field.
    """
    fields = {name: value if _is_plain(value) else _storable(name, value) for name, value in fields.items()}
    try:
        row = table.model_validate(fields)
    except ValidationError as error:
        problems = [FieldProblem(wire_name(str(problem["loc"][0])), problem["msg"]) for problem in error.errors(include_input=False)]
        raise InvalidInputError("; ".join(f"{problem.path}: {problem.message}" for problem in problems), problems) from None
    document = row.to_document()
    size = len(bson.encode(document, codec_options=CODEC))
    if size > MAX_KEY_BYTES:  # what no key of a row can exceed as long as the whole row does not
        _check_keys(table, document)
    if size > MAX_ROW_BYTES:
        longest = max(document, key=lambda name: len(str(document[name])))
        raise InvalidInputError.of(wire_name(longest), f"too long: a {table.spec.noun} may take 1 MiB in all")
    return row, document, size


def _is_plain(value: Any) -> bool:
    """Whether MongoDB keeps a value as it is, for certain: most are such, and every row that is written comes by here."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    return value is None or kind is bool or (kind is int and -_SMALL < value < _SMALL)


def _storable(column: str, value: Any) -> Any:
    """The value as MongoDB keeps it: times in UTC, in whole milliseconds."""
    if not isinstance(value, datetime):
        check_storable(value, wire_name(column))
        return value
    if value.tzinfo is UTC and value.microsecond % 1000 == 0:
        return value
    if value.tzinfo is None:
        raise InvalidInputError.of(wire_name(column), "needs a time zone")
    try:
        return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)
    except OverflowError:
        raise InvalidInputError.of(wire_name(column), "too far from now") from None


def _check_keys(table: type[Row], document: Document) -> None:
    for index in table.spec.indexes:
        texts = {key: _longest(document[key]) for key in index.keys}
        if sum(texts.values()) > MAX_KEY_BYTES:
            raise InvalidInputError.of(
                wire_name(max(texts, key=texts.__getitem__)), f"too long: lists are ordered by it ({MAX_KEY_BYTES} bytes)"
            )


def _longest(value: Any) -> int:
    """The bytes that a value adds to a key at most, beyond those that every value takes."""
    texts = value if isinstance(value, list) else [value]
    return max((len(text.encode()) for text in texts if isinstance(text, str)), default=0)
