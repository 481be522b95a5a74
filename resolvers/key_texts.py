"""How an API key is written: `tsk_live_`, 33 random letters and digits (196 bits), and six that are a checksum of them.

The form is GitHub's for its tokens (https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/): the prefix lets
scanners of published code find keys that got there, and the checksum tells a typo from a key that was revoked without asking the database.
"""

import re
import secrets
import zlib
from typing import Final

PREFIX: Final = "tsk_live_"
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 33
_CHECKSUM: Final = 6
_SHOWN: Final = 4
_SHAPE: Final = re.compile(f"{PREFIX}([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECKSUM}}})", re.ASCII)


def new_key() -> str:
    """A key that nobody has."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_key(text: str) -> bool:
    """Whether a text is written as keys are, checksum and all; whether there is such a key is another question."""
    match = _SHAPE.fullmatch(text)
    return match is not None and match[2] == _checksum(match[1])


def shown(key: str) -> str:
    """The beginning of a key, by which its owner recognises it: what it leaves unsaid has 172 bits."""
    return key[: len(PREFIX) + _SHOWN]


def _checksum(body: str) -> str:
    """CRC-32 (ISO 3309) in base 62."""
    rest, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
