import logging

import pytest

from resolvers.paper import Column, Paper, money_on_paper, printable
from resolvers.wording import Wording
from tests.resolvers.paperwork import NOON, pages_of, settings_row

WORDS = Wording.of(settings_row("en"))


def paper() -> Paper:
    return Paper(WORDS, "Title", NOON)


@pytest.mark.parametrize(
    "text",
    ["Größe – «Ñandú» žluťoučký kůň, Đặng Ơn", "Ελληνικά Ωμέγα", "Русский жук, Україна ґ, Ђорђе", "€ £ $ ¥ ₽ ₹ ₺ ₴ “„…”"],
    ids=["Latin", "Greek", "Cyrillic", "signs"],
)
def test_what_europe_writes_can_be_read_back(text: str) -> None:
    made = paper()
    made.paragraph(text)
    assert text in pages_of(made.finished())[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("日本語", "▯▯▯"),
        ("👍🏽", "▯▯"),
        ("a\N{ZERO WIDTH SPACE}b\N{RIGHT-TO-LEFT OVERRIDE}c", "abc"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("1\N{NARROW NO-BREAK SPACE}2\N{IDEOGRAPHIC SPACE}3", "1\N{NO-BREAK SPACE}2 3"),
        ("\ud800", "▯"),
        ("two\nlines", "two\nlines"),
    ],
    ids=["Chinese", "emoji", "invisible", "combining", "spaces", "surrogate", "lines"],
)
def test_what_the_font_has_no_glyph_for_is_a_box(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_nothing_of_what_is_written_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    made = paper()
    with caplog.at_level(logging.WARNING):
        made.paragraph("Secret 日本語 👍")
        made.row([Column("", 100)], ["日本語"])
        made.finished()
    assert caplog.records == []


def test_a_sign_that_the_font_lacks_is_the_code_of_its_currency() -> None:
    pesos = Wording.of(settings_row("en", currency="PHP"))
    assert money_on_paper(pesos, 1250) == "12.50\N{NO-BREAK SPACE}PHP"
    assert money_on_paper(WORDS, 1250) == "€12.50"


def test_a_text_that_is_wider_than_its_column_ends_in_an_ellipsis() -> None:
    made = paper()
    assert made.fitting("short", 50) == "short"
    shown = made.fitting("a very long text, in two\nlines, that goes on and on", 40)
    assert shown.endswith("…")
    assert "a very long text".startswith(shown[:10])
    assert made.get_string_width(shown) <= 40
    assert made.fitting("nothing fits here", 3) == "…"
    made.finished()


def test_every_page_has_its_number_and_how_many_there_are() -> None:
    made = paper()
    for line in range(100):
        made.paragraph(f"line {line}")
    pages = pages_of(made.finished())
    assert [page.splitlines()[-1] for page in pages] == [f"Page {number} of {len(pages)}" for number in range(1, len(pages) + 1)]
    assert len(pages) > 1
