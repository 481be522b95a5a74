"""Text as lists are ordered by it and as it is searched for: accents and case folded.

A word is a run of letters and digits; everything else parts words: spaces, hyphens, apostrophes, underscores, the "@" and the dots of an
address. Marks over or under letters do not count, nor do characters that are not seen (soft hyphens, joiners). Scripts that write without
spaces (Chinese, Japanese, Thai and their neighbours) are taken apart into pairs of neighbouring letters, so that a word is found inside a
run of them, as Lucene does it (https://lucene.apache.org/core/9_11_0/analysis/common/org/apache/lucene/analysis/cjk/CJKBigramFilter.html).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Final

LONGEST_KEY: Final = 20
"""Characters of a word that count in a search."""

MOST_BEGINNINGS: Final = 300
"""Keys of one row up to which every beginning of a word is one: some hundred words of prose."""

MOST_KEYS: Final = 800
"""Of one row: words behind those are keys as they are, whole. A note of 5,000 characters in English has some 300 different ones."""

MOST_WORDS: Final = 8
"""In one search; more are ignored."""

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
)

# Letters that Unicode does not decompose, as they are typed where a keyboard lacks them.
_PLAIN = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "ł": "l", "ŋ": "n", "ŧ": "t", "þ": "th"},
)


def sort_key(text: str) -> str:
    """Text as lists are ordered by it: accents and case folded."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def search_keys(*texts: str | None) -> list[str]:
    """Every beginning of every word in the texts, sorted: a row is found by the first letters of its words, through equality in an index.

    At most 20 characters of a word count. Where the texts are long, the first words of each give `MOST_BEGINNINGS` keys, and those behind
    only themselves, whole, up to `MOST_KEYS`: every key is a place in the index that is written with the row.
    """
    return list(_search_keys(texts))


@lru_cache(maxsize=256)
def _search_keys(texts: tuple[str | None, ...]) -> tuple[str, ...]:
    """The keys, remembered: a row that is written has them made more than once, and mostly they are as they were."""
    keys: dict[str, None] = {}
    # In turn, so that a long text leaves room for the others.
    for words in zip_longest(*(_pieces(text or "", every_end=True) for text in texts)):
        for word in filter(None, words):
            shortest = 1 if len(keys) < MOST_BEGINNINGS else len(word)
            keys |= dict.fromkeys(word[:length] for length in range(shortest, len(word) + 1))
        if len(keys) >= MOST_KEYS:
            break
    return tuple(sorted(list(keys)[:MOST_KEYS]))


def words_of(text: str) -> Sequence[str]:
    """The words in a search, folded, each cut to what counts of it: a row must have words that begin with each of them."""
    return list(_pieces(text, every_end=False))


def _pieces(text: str, *, every_end: bool) -> Iterator[str]:
    for word in _WORD.findall(_folded(text)):
        for number, part in enumerate(_UNSPACED.split(word)):
            if number % 2:
                yield from _pairs(part, every_end=every_end)
            elif part:
                yield part[:LONGEST_KEY]


def _pairs(run: str, *, every_end: bool) -> Iterator[str]:
    """Each letter with the next one; the last alone only where there is no other, or every end counts."""
    for position in range(len(run) - (len(run) > 1 and not every_end)):
        yield run[position : position + 2]


def _folded(text: str) -> str:
    """As `sort_key`, and without what is not seen. Twice, because what a letter is decomposed into may be a capital."""
    if text.isascii():
        return text.casefold()
    seen = (character for character in sort_key(sort_key(text)) if unicodedata.category(character) not in {"Mn", "Mc", "Me", "Cf"})
    return "".join(seen).translate(_PLAIN)
