"""What callers search for, as the rows are indexed by it (`datastore/folding.py`).

Which of several words the index is read by is chosen where it is read (`datastore/rarest.py`): here they only have to be the same words
whenever the same is searched for.
"""

from dataclasses import dataclass
from typing import Final

from datastore.errors import InvalidInputError
from datastore.folding import MOST_WORDS, words_of
from resolvers.text import short_text, text_argument

LATER_WORDS: Final = "Behind the first hundred words or so of a long one, words are found only where they are written in full."
"""What is said of texts that may be long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A search, for `Reader.page`: rows that have `key` among their search keys, and all of `also` too."""

    key: str
    also: tuple[str, ...]


def search_terms(text: str, path: str = "search") -> Terms:
    """What to look for; the longest word first.

    The same words in any order are the same terms. Raises InvalidInputError at `path` for a text without any letter or digit, of more than
    200 characters, or with characters that are no text.
    """
    words = dict.fromkeys(words_of(text_argument(text, short_text, path)))
    if not words:
        raise InvalidInputError.of(path, "must have a letter or a digit to search for")
    # Whatever has a word that begins with "tea" has one that begins with "te".
    telling = [word for word in words if not any(other != word and other.startswith(word) for other in words)][:MOST_WORDS]
    key = min(telling, key=lambda word: (-len(word), word))
    return Terms(key, tuple(sorted({*telling} - {key})))
