"""How people are written to: texts in their language, and money, numbers and times as it writes them (CLDR, by Babel).

The texts of a language are one file in `mail_texts/`. Who chose a language that has none is written to in English with the customs of
the world (`en-001`: day before month), dates and amounts included, for English texts with Japanese dates in them help nobody.
"""

import re
import tomllib
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final, cast
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent, get_currency_symbol

from datastore import schema as tables
from resolvers.money import currency_digits, from_minor

TEXTS: Final = Path(__file__).parent / "mail_texts"
FALLBACK_LANGUAGE: Final = "en"
_FALLBACK_LOCALE: Final = "en_001"
_PPM: Final = 1_000_000
_SIGN: Final = "¤"


@dataclass(frozen=True, slots=True)
class Wording:
    """Writes in one language; amounts are of one currency, times of one zone (IANA name)."""

    locale: Locale
    currency: str
    time_zone: str

    @classmethod
    def of(cls, settings: tables.Settings) -> "Wording":
        """As a business writes to its customers and to itself."""
        return cls(written_locale(settings.locale), settings.currency, settings.time_zone)

    @classmethod
    def plain(cls, language_tag: str) -> "Wording":
        """As the system itself writes to a person: no money, times in UTC."""
        return cls(written_locale(language_tag), "USD", "UTC")

    @property
    def language_tag(self) -> str:
        """The BCP 47 tag of what is written."""
        return str(self.locale).replace("_", "-")

    def text(self, key: str, **values: object) -> str:
        """The text with this key (`receipt.title`), its words in braces filled in. Raises KeyError for a key that there is not."""
        return texts_of(self.locale.language)[key].format_map(values)

    def money(self, minor: int) -> str:
        """An amount in minor units, with the currency's sign and all of its decimals."""
        bare, sign = self._bare(from_minor(minor, self.currency)), get_currency_symbol(self.currency, self.locale)
        if sign[-1].isalpha():
            # CLDR's patterns for letters, which Babel does not know, keep them at a distance from digits.
            bare = re.sub(f"{_SIGN}(?=[0-9])", _SIGN + "\N{NO-BREAK SPACE}", bare)
        return bare.replace(_SIGN, sign)

    def money_by_code(self, minor: int) -> str:
        """The same with the currency's ISO 4217 code, for where its sign can't be shown."""
        bare = self._bare(abs(from_minor(minor, self.currency))).replace(_SIGN, "").strip()
        return f"{'-' if minor < 0 else ''}{bare}\N{NO-BREAK SPACE}{self.currency}"

    def _bare(self, amount: Decimal) -> str:
        """An amount with the placeholder of a currency's sign, and the decimals of ISO 4217: CLDR has fewer for some currencies."""
        digits = currency_digits(self.currency)
        pattern = copy(self.locale.currency_formats["standard"])
        pattern.frac_prec = (digits, digits)
        return cast("str", pattern.apply(amount, self.locale))

    def number(self, number: int) -> str:
        """A count of things."""
        return format_decimal(number, locale=self.locale)

    def percent(self, ppm: int) -> str:
        """A rate in millionths, as percent with the decimals that it has."""
        return format_percent(Decimal(ppm) / _PPM, locale=self.locale, decimal_quantization=False)

    def day(self, day: date) -> str:
        """A day, short and unmistakable."""
        return format_date(day, "medium", self.locale)

    def moment(self, moment: datetime) -> str:
        """A moment by the clock of the time zone, to the minute."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        return f"{format_date(local.date(), 'medium', self.locale)} {format_datetime(local, 'HH:mm', locale=self.locale)}"


@cache
def written_locale(language_tag: str) -> Locale:
    """The locale that somebody who chose this language is written to in."""
    try:
        locale = Locale.parse(language_tag.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale.parse(_FALLBACK_LOCALE)
    return locale if locale.language in languages() else Locale.parse(_FALLBACK_LOCALE)


@cache
def languages() -> frozenset[str]:
    """The languages that there are texts of."""
    return frozenset(path.stem for path in TEXTS.glob("*.toml"))


@cache
def texts_of(language: str) -> dict[str, str]:
    """All texts of a language by their keys, section and name."""
    sections = tomllib.loads((TEXTS / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{section}.{name}": text for section, texts in sections.items() for name, text in texts.items()}
