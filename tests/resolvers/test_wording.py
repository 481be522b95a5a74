import re
from datetime import UTC, date, datetime

import pytest

from resolvers.wording import Wording, languages, texts_of, written_locale
from tests.resolvers.paperwork import settings_row

NOON = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)


def wording(locale: str, currency: str = "EUR") -> Wording:
    return Wording.of(settings_row(locale, currency=currency))


@pytest.mark.parametrize(
    ("locale", "currency", "minor", "expected"),
    [
        ("en-US", "USD", 123_456, "$1,234.56"),
        ("en-US", "USD", -1250, "-$12.50"),
        ("de", "EUR", 123_456, "1.234,56 €"),
        ("de-CH", "CHF", 123_450, "CHF 1’234.50"),
        ("de", "JPY", 1234, "1.234 ¥"),
        ("en-US", "KWD", 1_234_500, "KWD 1,234.500"),
        ("en-US", "IQD", 1_234, "IQD 1.234"),
        ("de", "EUR", 2**63 - 1, "92.233.720.368.547.758,07 €"),
    ],
)
def test_money_is_written_as_the_language_writes_it_with_all_decimals_of_its_currency(
    locale: str, currency: str, minor: int, expected: str
) -> None:
    assert wording(locale, currency).money(minor).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_money_can_be_written_with_the_code_of_its_currency() -> None:
    assert wording("de", "PHP").money_by_code(-123_450).replace("\N{NO-BREAK SPACE}", " ") == "-1.234,50 PHP"
    assert wording("en-US", "PHP").money_by_code(123_450).replace("\N{NO-BREAK SPACE}", " ") == "1,234.50 PHP"


@pytest.mark.parametrize(
    ("locale", "day", "moment"),
    [("en-US", "Nov 24, 2026", "Nov 24, 2026 12:30"), ("de", "24.11.2026", "24.11.2026 12:30"), ("ja", "24 Nov 2026", "24 Nov 2026 12:30")],
)
def test_days_and_moments_are_those_of_the_time_zone(locale: str, day: str, moment: str) -> None:
    assert wording(locale).day(date(2026, 11, 24)) == day
    assert wording(locale).moment(NOON) == moment


def test_rates_keep_the_decimals_that_they_have() -> None:
    assert [wording("en").percent(ppm) for ppm in (190_000, 77_000, 0, 123_456)] == ["19%", "7.7%", "0%", "12.3456%"]


@pytest.mark.parametrize("tag", ["ja", "fr-CA", "ar", "zh-Hant", "xx", "no such", ""])
def test_a_language_without_texts_is_english_as_the_world_writes_it(tag: str) -> None:
    assert str(written_locale(tag)) == "en_001"
    assert Wording.plain(tag).text("receipt.title") == "Receipt"


@pytest.mark.parametrize("tag", ["de", "de-CH", "de-AT", "en", "en-GB"])
def test_a_language_with_texts_keeps_its_region(tag: str) -> None:
    assert Wording.plain(tag).language_tag == tag


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    assert Wording.plain("en").text("mail.hello_name", name="{business}") == "Hello {business},"


def test_every_language_has_the_same_texts_with_the_same_words_to_fill_in() -> None:
    assert {"en", "de"} <= languages()
    blanks = {language: {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in texts_of(language).items()} for language in languages()}
    assert all(of_one == blanks["en"] for of_one in blanks.values())


def test_no_text_is_empty_or_the_same_in_two_languages_but_for_names() -> None:
    german, english = texts_of("de"), texts_of("en")
    assert all(german.values())
    assert {key for key in english if english[key] == german[key]} <= {"daily_summary.subject"}
