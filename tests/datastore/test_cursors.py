from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.cursors import MAX_CURSOR_CHARACTERS, Cursors
from datastore.errors import InvalidInputError

CURSORS = Cursors(b"a secret of at least thirty-two bytes")
KEY = ("Coffee\x00", 5, None, True, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), "prd_1")

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
)


def test_a_cursor_opens_to_the_key_it_was_made_of() -> None:
    assert CURSORS.open(b"list", CURSORS.sign(b"list", KEY)) == KEY


@given(st.lists(values), st.binary())
def test_any_key_survives(key: list[bool | int | str | None], context: bytes) -> None:
    opened = CURSORS.open(context, CURSORS.sign(context, key))
    assert list(opened) == key
    assert [isinstance(value, bool) for value in opened] == [isinstance(value, bool) for value in key]


def test_a_cursor_is_safe_in_a_url() -> None:
    assert CURSORS.sign(b"list", KEY).replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        CURSORS.open(b"another list", CURSORS.sign(b"list", KEY))


def test_a_context_cannot_borrow_bytes_of_the_key() -> None:
    with pytest.raises(InvalidInputError):
        CURSORS.open(b"lis", CURSORS.sign(b"list", KEY))


def test_a_cursor_of_another_deployment_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        CURSORS.open(b"list", Cursors(b"another secret").sign(b"list", KEY))


def test_a_cursor_changed_at_any_place_is_refused() -> None:
    cursor = CURSORS.sign(b"list", KEY)
    for position in range(len(cursor)):
        other = "A" if cursor[position] != "A" else "B"
        with pytest.raises(InvalidInputError):
            CURSORS.open(b"list", cursor[:position] + other + cursor[position + 1 :])


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "=",
        "A",
        "AAAA",
        "prd_01",
        "née",
        "\ud800",
        "\x00" * 40,
        " " * 100,
        urlsafe_b64encode(b"\x00" * 16).decode(),
        urlsafe_b64encode(b"\x00" * 60).decode(),
        "A" * MAX_CURSOR_CHARACTERS,
        "A" * 10_000_000,
    ],
)
def test_what_is_no_cursor_is_refused_by_name(hostile: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        CURSORS.open(b"list", hostile, "after")
    assert [problem.path for problem in refused.value.fields] == ["after"]


@pytest.mark.parametrize("change", [lambda text: text + "=", lambda text: text + "\n", lambda text: " " + text, lambda text: text + "."])
def test_another_spelling_of_a_good_cursor_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(InvalidInputError):
        CURSORS.open(b"list", change(CURSORS.sign(b"list", KEY)))
