from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datastore.database import Database
from datastore.keys import KeyValue, encode_key, owner_of, prefix_interval, shared_head, successor

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text("\x00\x01a\xff￿\U00010000", max_size=4)
MOMENTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
VALUES: st.SearchStrategy[KeyValue] = st.none() | st.booleans() | INT64 | st.integers(-2, 2) | TEXT | MOMENTS
KEYS = st.tuples(VALUES, VALUES, VALUES)


async def in_the_servers_order(database: Database, keys: Sequence[Sequence[KeyValue]]) -> list[tuple[KeyValue, ...]]:
    """The keys as the server's own index holds them, ties in the order given."""
    documents = [{"_id": i, "a": a, "b": b, "c": c} for i, (a, b, c) in enumerate(keys)]
    await database.command({"insert": "keys", "documents": documents})
    index = {"a": 1, "b": 1, "c": 1, "_id": 1}
    await database.command({"createIndexes": "keys", "indexes": [{"key": index, "name": "keys"}]})
    reply = await database.command({"find": "keys", "sort": index, "hint": index, "batchSize": 1000})
    await database.command({"drop": "keys"})
    return [(row["a"], row["b"], row["c"], row["_id"]) for row in reply["cursor"]["firstBatch"]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(KEYS, min_size=2, max_size=50))
@pytest.mark.slow
async def test_encoded_keys_sort_as_the_server_sorts_its_index(database: Database, keys: list[tuple[KeyValue, ...]]) -> None:
    ours = sorted(((*key, i) for i, key in enumerate(keys)), key=encode_key)

    assert [key[3] for key in ours] == [key[3] for key in await in_the_servers_order(database, keys)]


async def test_the_corner_values_of_every_type_sort_as_the_server_sorts_them(database: Database) -> None:
    texts = ["", "\x00", "\x00\x00", "\x00\x01", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "é", "￿", "\U00010000"]
    numbers = [-(2**63), -(2**31) - 1, -256, -1, 0, 1, 255, 256, 2**31, 2**53 + 1, 2**63 - 1]
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    ascending: list[KeyValue] = [None, *numbers, *texts, False, True, *moments, datetime(9999, 12, 31, tzinfo=UTC)]
    backwards = [(value, None, None) for value in reversed(ascending)]

    assert [key[0] for key in await in_the_servers_order(database, backwards)] == ascending
    assert sorted(ascending, key=lambda value: encode_key([value])) == ascending


@given(KEYS, KEYS)
def test_equal_encodings_mean_equal_keys(one: tuple[KeyValue, ...], other: tuple[KeyValue, ...]) -> None:
    same = [(type(value), value) for value in one] == [(type(value), value) for value in other]

    assert (encode_key(one) == encode_key(other)) is same


@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
def test_a_prefix_interval_holds_exactly_the_keys_that_begin_so(prefix: list[KeyValue], key: list[KeyValue]) -> None:
    low, high = prefix_interval(prefix)

    begins_so = encode_key(key[: len(prefix)]) == encode_key(prefix)
    assert (low <= encode_key(key) < high) is begins_so
    assert low <= encode_key([*prefix, *key]) < high


@given(KEYS, KEYS)
def test_nothing_lies_between_a_key_and_its_successor(key: tuple[KeyValue, ...], other: tuple[KeyValue, ...]) -> None:
    assert encode_key(key) < successor(encode_key(key))
    assert not encode_key(key) < encode_key(other) < successor(encode_key(key))


@given(TEXT, st.lists(VALUES, max_size=2), TEXT)
def test_the_owner_of_an_interval_is_the_string_that_all_its_keys_begin_with(owner: str, rest: list[KeyValue], other: str) -> None:
    low, high = prefix_interval([owner, *rest])

    assert owner_of(low, high) == encode_key([owner])
    assert owner_of(low, prefix_interval([owner])[1]) == encode_key([owner])
    if other > owner:
        assert owner_of(low, prefix_interval([other])[1]) is None


@pytest.mark.parametrize("values", [(), (None,), (7,), (True,), (datetime(2026, 1, 1, tzinfo=UTC),)])
def test_an_interval_that_begins_with_no_string_has_no_owner(values: tuple[KeyValue, ...]) -> None:
    assert owner_of(*prefix_interval(values)) is None


@given(KEYS, KEYS, st.integers(1, 3), st.booleans())
def test_the_shared_head_of_an_interval_is_what_all_its_keys_begin_with(
    one: tuple[KeyValue, ...], other: tuple[KeyValue, ...], count: int, to_the_end: bool
) -> None:
    low, high = sorted([encode_key(one), encode_key(other)])
    least = min(one, other, key=encode_key)
    head = encode_key(least[:count])
    assert shared_head(low, prefix_interval(least[:count])[1], count) == head
    assert shared_head(successor(low), prefix_interval(least[:count])[1], count) == head
    shared = encode_key(one[:count]) == encode_key(other[:count])
    assert shared_head(low, successor(high) if to_the_end else high, count) == (head if shared else None)


@pytest.mark.parametrize("low", [b"", b"\x00", b"\x20\x00", b"\x30abc", b"\x30abc\x00", b"\x99"])
def test_bytes_that_are_no_whole_value_have_no_shared_head(low: bytes) -> None:
    assert shared_head(low, b"\xff", 1) is None


def test_a_moment_is_encoded_as_it_is_stored() -> None:
    stored = encode_key([datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)])

    assert encode_key([datetime(2026, 11, 23, 12, 0, 0, 123999, tzinfo=UTC)]) == stored
    assert encode_key([datetime(2026, 11, 23, 13, 0, 0, 123000, tzinfo=timezone(timedelta(hours=1)))]) == stored
    assert encode_key([datetime(2026, 11, 23, 12, 0, 0, 123000)]) == stored  # noqa: DTZ001  The driver takes it as UTC, too.


@pytest.mark.parametrize(
    ("value", "error"),
    [(2**63, OverflowError), (-(2**63) - 1, OverflowError), ("\ud800", UnicodeEncodeError), (1.5, TypeError), (["a"], TypeError)],
)
def test_a_value_that_no_index_can_hold_is_refused(value: KeyValue, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_key([value])
