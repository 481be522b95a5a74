import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datastore.folding import LONGEST_KEY, MOST_BEGINNINGS, MOST_KEYS, search_keys, sort_key, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Green  tea", ["green", "tea"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul \u0131lk", ["istanbul", "ilk"]),
        ("Æther Œuvre Łódź Ørsted", ["aether", "oeuvre", "lodz", "orsted"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("Cre\u0300me", ["creme"]),
        ("\u210cello ﬁne", ["hello", "fine"]),
        ("L'Oréal don\u2019t", ["l", "oreal", "don", "t"]),
        ("foo_bar AB-100/x", ["foo", "bar", "ab", "100", "x"]),
        ("ada.lovelace@example.com", ["ada", "lovelace", "example", "com"]),
        ("4006381333931", ["4006381333931"]),
        ("\u2460 \uff11\uff12", ["1", "12"]),
        ("a\x00b", ["a", "b"]),
        ("ta\u00adble zero\u200dwidth", ["table", "zerowidth"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u0928\u0926"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("東", ["東"]),
        ("中A1文", ["中", "a1", "文"]),
        ("ガム", ["カム"]),
        (".*[^$] 🍰 👩\u200d👩", []),
        ("\ud800", []),
        ("", []),
        ("x" * 50, ["x" * LONGEST_KEY]),
    ],
)
def test_the_words_of_a_text_are_its_runs_of_letters_and_digits_folded(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_row_is_found_by_every_beginning_of_every_word() -> None:
    assert search_keys("Tea", None, "x1") == ["t", "te", "tea", "x", "x1"]


@pytest.mark.parametrize("searched", ["東", "京", "ー", "東京", "タワー", "京タワ", "東京タワー"])
def test_a_text_without_spaces_is_found_by_any_part_of_it(searched: str) -> None:
    assert set(words_of(searched)) <= set(search_keys("有名な東京タワーへ"))


@pytest.mark.parametrize("searched", ["タ東", "京東", "大阪"])
def test_a_text_without_spaces_is_not_found_by_what_is_no_part_of_it(searched: str) -> None:
    assert not set(words_of(searched)) <= set(search_keys("有名な東京タワーへ"))


@given(st.text(max_size=60), st.data())
def test_a_text_is_found_by_the_beginnings_of_its_words_however_they_are_written(text: str, data: st.DataObject) -> None:
    keys = set(search_keys(text))
    for word in words_of(text):
        assert word[: data.draw(st.integers(1, LONGEST_KEY))] in keys
        assert set(words_of(word.upper())) <= keys
    assert set(words_of(unicodedata.normalize("NFD", text))) <= keys


@given(st.text(max_size=60))
def test_keys_are_made_of_keys(text: str) -> None:
    """What a row is indexed by is itself folded, so that it is the same for every way to write it."""
    for key in search_keys(text):
        assert words_of(key) == [key]
        assert sort_key(key) == key


@settings(max_examples=20)
@given(st.text("ab cé東京-", max_size=200).map(lambda text: text * 50))
def test_a_row_has_a_bounded_number_of_bounded_keys(text: str) -> None:
    keys = search_keys(text, text)
    assert len(keys) <= MOST_KEYS
    assert max(map(len, keys), default=0) <= LONGEST_KEY


def test_a_long_text_leaves_room_for_the_words_of_the_others() -> None:
    novel = " ".join(f"word{number}" for number in range(2000))
    assert {"sku9", "4006381333931"} <= set(search_keys(novel, "SKU9", "4006381333931"))


# Some 300 different words, as English prose of that length has.
PROSE = " ".join(f"{'bcdfg'[number % 5]}{'aeiou'[number // 5 % 5]}{'klmnp'[number // 25 % 5]}y{number}" for number in range(300))


def test_every_word_of_a_note_of_a_hundred_words_is_found_by_its_beginnings() -> None:
    written = "the customer wants her two blue chairs delivered on thursday morning to the back door and rings us before"
    words = written.split()
    note = " ".join(f"{word}{'s' * (number // len(words))}" for number, word in enumerate(words * 6))
    keys = set(search_keys("Ada Lovelace", "ada@example.com", note))
    assert len(words) * 6 > 100
    assert {word[:length] for word in words_of(note) for length in range(1, len(word) + 1)} <= keys


def test_every_word_of_the_longest_note_is_found_where_it_is_written_in_full() -> None:
    note = f"{PROSE} {PROSE} {PROSE}"[:5000]
    keys = set(search_keys("12", None, note))
    assert set(words_of(note)) <= keys
    assert MOST_BEGINNINGS < len(keys) <= MOST_KEYS
    first, last = words_of(PROSE)[0], words_of(PROSE)[-1]
    assert first[:2] in keys
    assert last[:5] not in keys


def test_the_keys_that_one_caller_gets_are_not_those_of_another() -> None:
    search_keys("Tea").append("spoilt")
    assert search_keys("Tea") == ["t", "te", "tea"]
