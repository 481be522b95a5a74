"""Ids: a prefix that names the table, an underscore, and a ULID, which sorts by the time it was made.

ULID: https://github.com/ulid/spec (48 bits of milliseconds, 80 random bits, Crockford's base 32).
"""

import re

from ulid import ULID

from datastore.errors import InvalidInputError

ZERO_ULID = "0" * 26
"""What no row that was made has."""

_SHAPE = re.compile(r"([a-z]{3})_([0-7][0-9A-HJKMNP-TV-Z]{25})", re.ASCII)


def new_id(prefix: str) -> str:
    """A fresh id with the prefix of its table."""
    return f"{prefix}_{ULID()}"


def prefix_of(value: str) -> str | None:
    """The prefix of a well-formed id, or None."""
    match = _SHAPE.fullmatch(value)
    return match[1] if match else None


def check_id(value: str, prefix: str, noun: str, path: str) -> str:
    """The id, if it is one of the kind asked for.

    Raises InvalidInputError naming the argument (`path`) and the kind that was expected.
    """
    found = prefix_of(value)
    if found is None:
        raise InvalidInputError.of(path, f"not an id; expected the id of a {noun} ({prefix}_…)")
    if found != prefix:
        raise InvalidInputError.of(path, f"an id of another kind ({found}_…); expected the id of a {noun} ({prefix}_…)")
    return value
