"""The kinds of text that callers send: how each is cleaned, and what is refused.

Every text is normalised to NFC (Unicode Annex 15), so that what looks equal is equal, and trimmed. The types are for the fields of inputs;
`text_argument` does the same for an argument that stands alone.
"""

import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from functools import cache, partial
from typing import Annotated

from babel import Locale, UnknownLocaleError
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator

from datastore.errors import InvalidInputError
from datastore.folding import sort_key

NAME_LENGTH = 200
FOLDED_LENGTH = 1000
"""In UTF-8 that fits into a key of an index (`datastore.validation.MAX_KEY_BYTES`)."""
DESCRIPTION_LENGTH = 5000
CODE_LENGTH = 64
EMAIL_LENGTH = 254
"""RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its angle brackets."""

# Control characters, lone surrogates, and the line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)


def clean(value: str, *, longest: int, shortest: int = 0, many_lines: bool = False) -> str:
    """The text, normalised and trimmed.

    `longest` and `shortest` count characters after that. Raises ValueError for a text that is too long or too short, and for characters
    that are no text.
    """
    # A composed text is at most three times shorter than its characters: longer ones need no normalising to be refused.
    if len(value) > 4 * longest + 1000:
        raise ValueError(f"must have at most {longest:,} characters")
    if many_lines:
        value = value.replace("\r\n", "\n")
    text = unicodedata.normalize("NFC", value).strip()
    for character in text:
        if unicodedata.category(character) in _REFUSED_CATEGORIES and not (many_lines and character == "\n"):
            raise ValueError(f"must not contain the character U+{ord(character):04X}")
    if len(text) > longest:
        raise ValueError(f"must have at most {longest:,} characters")
    if len(text) < shortest:
        raise ValueError("must not be empty" if shortest == 1 else f"must have at least {shortest} characters")
    return text


def name(value: str) -> str:
    """What something is called: one line. What it is sorted by, folded, is bounded too: a single character may fold to 18 (U+FDFA)."""
    text = clean(value, longest=NAME_LENGTH, shortest=1)
    if len(sort_key(text)) > FOLDED_LENGTH:
        raise ValueError(f"must have at most {FOLDED_LENGTH:,} characters when it is folded to be sorted")
    return text


def email_address(value: str) -> str:
    """An e-mail address, normalised and case-folded, so that one mailbox is one user; whether it exists is not asked."""
    text = clean(value, longest=EMAIL_LENGTH, shortest=1)
    try:
        # The domains that RFC 2606 reserves for tests are let through: people try things out with them.
        address = validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None
    return clean(address.casefold(), longest=EMAIL_LENGTH)


def time_zone(value: str) -> str:
    """The IANA name of a time zone."""
    if value not in _time_zones():
        raise ValueError('must be the IANA name of a time zone, such as "Europe/Berlin"')
    return value


def locale_tag(value: str) -> str:
    """A BCP 47 language tag that CLDR has data for, in its canonical spelling (`de-CH`)."""
    try:
        if not _LANGUAGE_TAG.fullmatch(value):
            raise ValueError(value)
        return str(Locale.parse(value.replace("-", "_"))).replace("_", "-")
    except (ValueError, UnknownLocaleError):
        raise ValueError('must be a language tag, such as "en" or "de-CH"') from None


def text_argument(value: str, rule: Callable[[str], str], path: str) -> str:
    """The argument at `path`, cleaned by one of the rules of this module; InvalidInputError names it where the rule refuses it."""
    try:
        return rule(value)
    except ValueError as error:
        raise InvalidInputError.of(path, str(error)) from None


@cache
def _time_zones() -> frozenset[str]:
    # Some systems list files of theirs that name no zone of their own.
    return frozenset(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})


short_text = partial(clean, longest=NAME_LENGTH)
description = partial(clean, longest=DESCRIPTION_LENGTH, many_lines=True)
code = partial(clean, longest=CODE_LENGTH, shortest=1)

Name = Annotated[str, AfterValidator(name)]
"""What something is called: one line, 1 to 200 characters."""

ShortText = Annotated[str, AfterValidator(short_text)]
"""One line of up to 200 characters, which may be empty."""

Description = Annotated[str, AfterValidator(description)]
"""Up to 5,000 characters in any number of lines."""

Code = Annotated[str, AfterValidator(code)]
"""A SKU or barcode: 1 to 64 characters."""

Email = Annotated[str, AfterValidator(email_address)]
TimeZoneName = Annotated[str, AfterValidator(time_zone)]
LocaleTag = Annotated[str, AfterValidator(locale_tag)]
