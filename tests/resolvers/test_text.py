import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.errors import InvalidInputError
from resolvers.text import code, description, email_address, locale_tag, name, short_text, text_argument, time_zone


def test_a_name_is_trimmed_and_composed() -> None:
    assert name("  Cafe\u0301 \u00a0") == "Caf\u00e9"


@pytest.mark.parametrize("text", ["", "   ", "a" * 201, "a\0b", "a\nb", "\ud800", "a\u2028b", "a\x9fb", "x" * 1_000_000])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        name(text)


@pytest.mark.parametrize("character", ["é", "日", "\U0001f600", "\ufb03"], ids=["é", "kanji", "emoji", "a ligature of three"])
def test_two_hundred_characters_are_a_name(character: str) -> None:
    assert name(character * 200) == character * 200


def test_a_name_that_is_far_longer_when_it_is_folded_is_refused() -> None:
    with pytest.raises(ValueError, match="1,000"):
        name("\ufdfa" * 200)


def test_a_description_may_have_lines_and_nothing_else_that_is_invisible() -> None:
    assert description("one\r\ntwo\n") == "one\ntwo"
    with pytest.raises(ValueError, match=r"U\+0000"):
        description("one\0")
    with pytest.raises(ValueError, match="5,000"):
        description("x" * 5001)


def test_a_code_has_at_most_64_characters() -> None:
    assert code("A-1") == "A-1"
    with pytest.raises(ValueError, match="64"):
        code("A" * 65)


def test_a_short_text_may_be_empty() -> None:
    assert short_text(" ") == ""


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    try:
        once = description(text)
    except ValueError:
        return
    assert description(once) == once


@pytest.mark.parametrize(
    ("text", "address"),
    [(" Ada@Example.COM ", "ada@example.com"), ("STRASSE@example.com", "strasse@example.com"), ("ada@shop.test", "ada@shop.test")],
)
def test_one_mailbox_is_one_address(text: str, address: str) -> None:
    assert email_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "ada", "a@b@example.com", "ada@", "a\0@example.com", "\ud800@example.com", "a" * 250 + "@example.com", "x" * 10_000]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        email_address(text)


def test_a_time_zone_is_one_of_the_iana_database() -> None:
    assert time_zone("Europe/Berlin") == "Europe/Berlin"
    for text in ("", "Mars/Olympus", "../etc/passwd", "localtime", "europe/berlin", "a\0"):
        with pytest.raises(ValueError, match="time zone"):
            time_zone(text)


@pytest.mark.parametrize(("text", "tag"), [("en", "en"), ("de_CH", "de-CH"), ("zh-hant-tw", "zh-Hant-TW")])
def test_a_locale_is_a_language_tag_in_its_canonical_spelling(text: str, tag: str) -> None:
    assert locale_tag(text) == tag


@pytest.mark.parametrize("text", ["", "xx", "english", "../en", "en-US-" + "x" * 100, "ünü", "e\0"])
def test_what_is_no_language_tag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        locale_tag(text)


def test_a_refused_argument_is_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        text_argument("", code, "sku")
    assert caught.value.extensions()["fields"] == [{"path": "sku", "message": "must not be empty"}]
