"""A version: a moment of the cluster, in a form that orders across processes and restarts.

It is MongoDB's cluster time, seconds since 1970 and an increment within the second, packed into 64 bits. On the wire it is sixteen
hexadecimal digits, so that comparing two versions as strings compares them as moments.
"""

from typing import NewType

Version = NewType("Version", int)

BEGINNING = Version(0)
_WIRE_DIGITS = 16


def version_of(seconds: int, increment: int) -> Version:
    """The version of one cluster time."""
    return Version(seconds << 32 | increment)


def to_wire(version: Version) -> str:
    """Sixteen lower-case hexadecimal digits, ordered like the versions themselves."""
    return f"{version:016x}"


def from_wire(text: str) -> Version | None:
    """The version a client sent back, or None where the text is none."""
    if len(text) != _WIRE_DIGITS or any(digit not in "0123456789abcdef" for digit in text):
        return None
    return Version(int(text, 16))
