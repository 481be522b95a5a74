"""Compound index keys as byte strings that sort as MongoDB sorts the keys.

A scanned part of an index is then one interval of byte strings, and "does this row lie in it" is two comparisons.

The order is that of MongoDB's ascending indexes without collation, for the types that columns of ours have: null < integers < strings
(by their UTF-8 bytes) < booleans < dates (https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/). Each value is one
tag byte and a body that no other body begins with, so that concatenation keeps the order: the method of the FoundationDB tuple layer
(https://github.com/apple/foundationdb/blob/main/design/tuple.md), with a two-byte end of strings, so that NUL may stand in them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

KeyValue = None | bool | int | str | datetime

_NULL = b"\x10"
_INTEGER = b"\x20"
_STRING = b"\x30"
_FALSE, _TRUE = b"\x40\x00", b"\x40\x01"
_DATE = b"\x50"
_ABOVE_EVERY_TAG = b"\xff"

# Of encoded values whose size is always the same, by their first byte.
_SIZES = {_NULL: 1, _INTEGER: 9, _FALSE[:1]: 2, _DATE: 9}

_END_OF_STRING = b"\x00\x01"
_ESCAPED_NUL = b"\x00\xff"

_BIAS = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def encode_value(value: object) -> bytes:
    """One value of a key.

    A date without a zone is taken as UTC, and loses what is finer than a millisecond, as it does when it is stored.
    Raises OverflowError for an integer beyond 64 bits, UnicodeEncodeError for a lone surrogate, and TypeError for what is no KeyValue.
    """
    match value:
        case str():
            return _STRING + value.encode().replace(b"\x00", _ESCAPED_NUL) + _END_OF_STRING
        case None:
            return _NULL
        case bool():
            return _TRUE if value else _FALSE
        case int():
            return _INTEGER + (value + _BIAS).to_bytes(8)
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return _DATE + ((aware - _EPOCH) // _MILLISECOND + _BIAS).to_bytes(8)
        case _:
            msg = f"no index of ours holds a {type(value).__name__}"
            raise TypeError(msg)


def encode_key(values: Sequence[KeyValue]) -> bytes:
    """The key that consists of these values, first to last. Raises as `encode_value` does."""
    return b"".join(map(encode_value, values))


def prefix_interval(values: Sequence[KeyValue]) -> tuple[bytes, bytes]:
    """`(low, high)` such that exactly the keys that begin with these values (or are these values) lie in `[low, high)`."""
    prefix = encode_key(values)
    return prefix, beyond(prefix)


def beyond(prefix: bytes) -> bytes:
    """The bound above all keys that begin with an encoded part of a key."""
    return prefix + _ABOVE_EVERY_TAG


def successor(key: bytes) -> bytes:
    """The least byte string above a whole key: the bound for "up to and including", or for "after"."""
    return key + b"\x00"


def owner_of(low: bytes, high: bytes) -> bytes | None:
    """The encoded first value of the keys in `[low, high)`, where they all share one and it is a string (an owner's id); else None."""
    return shared_head(low, high, 1) if low.startswith(_STRING) else None


def shared_head(low: bytes, high: bytes, count: int) -> bytes | None:
    """The encoded first `count` values of the keys in `[low, high)`, where they all share these; else None."""
    end = 0
    for _ in range(count):
        end = _end_of_value(low, end)
        if not 0 < end <= len(low):
            return None
    head = low[:end]
    return head if high <= beyond(head) else None


def _end_of_value(key: bytes, start: int) -> int:
    """Where the encoded value that begins at `start` ends; 0 where none does."""
    tag = key[start : start + 1]
    if tag == _STRING:
        end = key.find(_END_OF_STRING, start)
        return end + len(_END_OF_STRING) if end > 0 else 0
    return start + _SIZES[tag] if tag in _SIZES else 0
