import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from datastore.changes import Change, Kind
from datastore.keys import KeyValue, encode_key, prefix_interval, successor
from datastore.matching import Matcher, touches
from datastore.read_set import Interval, ReadSet
from datastore.schema import TABLES_BY_NAME
from datastore.tables import Index, Policy
from datastore.versions import Version
from tests.datastore.changed_rows import NOW, Document, change, interval, product, read_set, woken

NAMES_OF_ACC_1 = interval("by_name", "acc_1", False)


def test_a_new_row_in_a_scanned_interval_wakes() -> None:
    assert woken(read_set(NAMES_OF_ACC_1), change(product("prd_1")))


def test_a_row_that_moves_into_a_scanned_interval_wakes() -> None:
    moved = change(product("prd_1"), "update", fields=["archived", "updated_at"])

    assert woken(read_set(NAMES_OF_ACC_1), moved)


def test_a_row_of_another_owner_wakes_nobody() -> None:
    assert not woken(read_set(NAMES_OF_ACC_1), change(product("prd_1", "acc_2")))
    assert not woken(read_set(NAMES_OF_ACC_1), change(product("prd_1", "acc_1x")))


def test_a_row_beyond_the_page_wakes_nobody_and_one_within_it_does() -> None:
    low, _ = prefix_interval(["acc_1", False])
    page = Interval("products", "by_name", low, successor(encode_key(["acc_1", False, "milk", "prd_5"])))

    assert woken(read_set(page), change(product("prd_9", name_key="bread")))
    assert woken(read_set(page), change(product("prd_5", name_key="milk")))
    assert not woken(read_set(page), change(product("prd_6", name_key="milk")))
    assert not woken(read_set(page), change(product("prd_0", name_key="tea")))


def test_the_row_after_which_a_page_begins_does_not_wake_it() -> None:
    low, high = successor(encode_key(["acc_1", False, "milk", "prd_5"])), prefix_interval(["acc_1", False])[1]
    second_page = read_set(Interval("products", "by_name", low, high))

    assert not woken(second_page, change(product("prd_5", name_key="milk")))
    assert woken(second_page, change(product("prd_6", name_key="milk")))


def test_a_row_elsewhere_in_the_index_wakes_nobody() -> None:
    assert not woken(read_set(NAMES_OF_ACC_1), change(product("prd_1", archived=True)))


def test_a_row_that_was_seen_wakes_whatever_became_of_it() -> None:
    seen = read_set("prd_1")

    assert woken(seen, change(product("prd_1", archived=True), "update", fields=["archived"]))
    assert woken(seen, change(product("prd_1"), "replace"))
    assert woken(seen, change(product("prd_1"), "delete"))
    assert woken(seen, Change(Version(1), "products", "prd_1", "update", None, frozenset({"stock"})))


def test_an_id_that_was_asked_for_and_not_found_wakes_when_it_comes() -> None:
    assert woken(read_set("prd_1"), change(product("prd_1")))


def test_a_deleted_row_that_was_not_seen_wakes_nobody() -> None:
    assert not woken(read_set("prd_2", NAMES_OF_ACC_1), change(product("prd_1"), "delete"))


def test_a_row_that_is_gone_by_the_time_it_is_looked_up_wakes_only_who_saw_it() -> None:
    gone = Change(Version(1), "products", "prd_1", "update", None, frozenset({"stock"}))

    assert not woken(read_set(NAMES_OF_ACC_1), gone)
    assert woken(read_set(NAMES_OF_ACC_1, "prd_1"), gone)


def test_a_change_of_the_guard_alone_wakes_nobody() -> None:
    read = read_set("prd_1", NAMES_OF_ACC_1)

    assert not woken(read, change(product("prd_1"), "update", fields=["guard"]))
    assert woken(read, change(product("prd_1"), "update", fields=["guard", "stock"]))
    assert woken(read, change(product("prd_1"), "replace"))


def test_a_table_that_is_not_declared_wakes_nobody() -> None:
    assert not woken(read_set("job_1"), change({"_id": "job_1"}, table="elsewhere"))


def test_an_interval_of_another_table_or_index_does_not_wake() -> None:
    names = encode_key(["acc_1", "tea"])

    assert not woken(read_set(interval("by_position", "acc_1", table="product_categories")), change(product("prd_1")))
    assert not woken(read_set(Interval("products", "by_sku", names, successor(names))), change(product("prd_1", sku="other")))


def test_a_row_wakes_who_looked_for_its_unique_key_in_vain() -> None:
    looked_for = read_set(interval("by_sku", "acc_1", "A-7"))

    assert woken(looked_for, change(product("prd_1", sku="A-7")))
    assert not woken(looked_for, change(product("prd_1", sku="A-70")))
    assert not woken(looked_for, change(product("prd_1", "acc_2", sku="A-7")))


def test_a_row_without_a_unique_key_is_not_in_that_index() -> None:
    all_skus = read_set(interval("by_sku", "acc_1"))

    assert not woken(all_skus, change(product("prd_1", sku=None)))
    assert woken(all_skus, change(product("prd_1", sku="")))


def test_a_null_in_an_index_that_is_not_unique_is_a_key_like_any_other() -> None:
    uncategorised = read_set(interval("by_category_name", "acc_1", None, False))

    assert woken(uncategorised, change(product("prd_1", category_id=None)))
    without = product("prd_1")
    del without["category_id"]
    assert woken(uncategorised, change(without))
    assert not woken(uncategorised, change(product("prd_1", category_id="pct_1")))


def test_a_table_without_owners_is_matched_by_its_unique_keys() -> None:
    user = {"_id": "usr_1", "email": "a@example.com"}
    looked_for = read_set(interval("by_email", "a@example.com", table="users"))

    assert woken(looked_for, change(user, table="users"))
    assert not woken(looked_for, change(user | {"email": "b@example.com"}, table="users"))


def test_an_interval_over_several_owners_is_matched_too() -> None:
    everybody = read_set(Interval("products", "by_name", b"", b"\xff"))

    assert woken(everybody, change(product("prd_1", "acc_7")))


def test_an_empty_interval_holds_nothing() -> None:
    key = encode_key(["acc_1", False, "tea", "prd_1"])
    empty = read_set(Interval("products", "by_name", key, key), Interval("products", "by_name", successor(key), key))

    assert not woken(empty, change(product("prd_1")))


@pytest.mark.parametrize("stock", [1.5, [1, 2], {"a": 1}, 2**63])
def test_a_value_that_no_column_of_ours_holds_could_stand_anywhere_under_the_values_before_it(stock: object) -> None:
    """Only a writer that goes around the validators can store one."""
    odd = change(product("prd_1", stock=stock))

    assert woken(read_set(interval("by_stock", "acc_1", False, 7)), odd)
    assert not woken(read_set(interval("by_stock", "acc_1", True)), odd)
    assert not woken(read_set(interval("by_stock", "acc_2", False)), odd)
    assert woken(read_set(NAMES_OF_ACC_1), odd)


@pytest.mark.parametrize("account", [None, 7, 1.5, ["acc_1"]])
def test_a_row_of_no_owner_is_in_no_interval(account: Any) -> None:
    everybody = Interval("products", "by_name", b"", b"\xff")

    assert not woken(read_set(NAMES_OF_ACC_1, everybody), change(product("prd_1") | {"account_id": account}))


def test_a_read_set_that_names_what_is_not_declared_is_refused_and_changes_nothing() -> None:
    matcher: Matcher[str] = Matcher()
    matcher.register("till", read_set("prd_1"))

    for wrong in (interval("by_colour", "acc_1"), interval("by_name", "acc_1", table="elsewhere")):
        with pytest.raises(KeyError):
            matcher.register("till", read_set("prd_2", wrong))

    assert matcher.touched(change(product("prd_1"))) == {"till"}


def test_each_owner_has_an_interval_tree_of_their_own_so_that_others_cost_them_nothing() -> None:
    matcher: Matcher[int] = Matcher()
    for n in range(100):
        matcher.register(n, read_set(interval("by_name", f"acc_{n}", False)))

    assert set(matcher._scanned["products"]) == {encode_key([f"acc_{n}"]) for n in range(100)}


def test_a_registered_read_set_is_what_it_was_when_it_was_registered() -> None:
    matcher: Matcher[str] = Matcher()
    read = read_set("prd_1")
    matcher.register("till", read)
    read.saw("prd_2")

    assert matcher.touched(change(product("prd_2"))) == set()


# --- the matcher against the rule, for anything that may be registered ---

ACCOUNTS = st.sampled_from(["acc_1", "acc_2"])
TABLES = ("products", "product_categories", "sessions")
IDS = {table: st.sampled_from([f"{TABLES_BY_NAME[table].spec.prefix}_{n}" for n in range(4)]) for table in TABLES}
VALUES = {
    "archived": st.booleans(),
    "low_stock": st.booleans(),
    "name_key": st.sampled_from(["", "milk", "tea", "te\x00"]),
    "category_id": st.sampled_from([None, "pct_1", "pct_2"]),
    "sku": st.sampled_from([None, "A", "B"]),
    "created_at": st.sampled_from([NOW, datetime(1969, 1, 1, tzinfo=UTC)]),
    "search_keys": st.lists(st.sampled_from(["", "t", "te", "te\x00", "x"]), max_size=3),
}
ODD_LISTS = st.sampled_from([None, "te", 7, 1.5, ["t", 1.5], [["t"]], [None, "t", "t"]])
OTHERS = st.integers(-1, 1) | st.none()


@st.composite
def rows(draw: st.DrawFn, table: str) -> dict[str, Any]:
    """A row with just the columns that indexes need."""
    spec = TABLES_BY_NAME[table].spec
    row: dict[str, Any] = {"_id": draw(IDS[table])}
    if spec.policy is Policy.ACCOUNT:
        row["account_id"] = draw(ACCOUNTS)
    for column in sorted({column for index in spec.indexes for column in index.keys}):
        row[column] = draw(VALUES.get(column, OTHERS))
    return row


@st.composite
def keys(draw: st.DrawFn, table: str, index: Index) -> list[KeyValue]:
    """A key of an index, as some row may have it."""
    row = draw(rows(table))
    texts = row.get("search_keys") or ["t"]
    return [
        draw(st.sampled_from(texts)) if column == "search_keys" else row[column] for column in TABLES_BY_NAME[table].spec.stored_keys(index)
    ]


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """An interval between two keys of rows, or under a prefix, or with its ends the wrong way round."""
    table = draw(st.sampled_from(TABLES))
    spec = TABLES_BY_NAME[table].spec
    index = draw(st.sampled_from(spec.indexes))
    also = tuple(draw(st.lists(st.sampled_from(["t", "te", "x"]), max_size=2))) if "search_keys" in index.keys else ()
    one, other = draw(keys(table, index)), draw(keys(table, index))
    if draw(st.booleans()):
        length = draw(st.integers(0, len(one)))
        return Interval(table, index.name, *prefix_interval(one[:length]), also)
    low, high = (successor(encode_key(key)) if draw(st.booleans()) else encode_key(key) for key in (one, other))
    return Interval(table, index.name, low, high, also)


SELECTIONS = st.one_of(st.none(), st.frozensets(st.sampled_from(["stock", "name", "sku"]), max_size=2))
READ_SETS = st.builds(
    ReadSet,
    st.sets(st.one_of(*IDS.values()), max_size=3),
    st.sets(intervals(), max_size=3),
    st.sets(st.sampled_from(TABLES), max_size=1),
    st.sets(st.sampled_from(TABLES)),
    st.dictionaries(st.sampled_from(TABLES), SELECTIONS),
)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    table = draw(st.sampled_from(TABLES))
    kind: Kind = draw(st.sampled_from(["insert", "update", "replace", "delete"]))
    fields = draw(st.sets(st.sampled_from(["guard", "stock", "name"]), min_size=1)) if kind == "update" else None
    row = draw(rows(table))
    if table == "products" and draw(st.booleans()):
        row["search_keys"] = draw(ODD_LISTS)
    event = change(row, kind, table=table, fields=None if fields is None else sorted(fields))
    gone = kind == "update" and draw(st.booleans())
    return Change(event.time, table, event.id, kind, None, event.fields) if gone else event


class MatcherBesideTheRule(RuleBasedStateMachine):
    """Whatever is registered, replaced and forgotten: the matcher names exactly those whom the rule, asked one by one, names."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher: Matcher[int] = Matcher()
        self.registered: dict[int, ReadSet] = {}

    @rule(key=st.integers(0, 5), read=READ_SETS)
    def register(self, key: int, read: ReadSet) -> None:
        self.matcher.register(key, read)
        self.registered[key] = read
        assert len(self.matcher) == len(self.registered)

    @rule(key=st.integers(0, 5))
    def unregister(self, key: int) -> None:
        self.matcher.unregister(key)
        self.registered.pop(key, None)

    @rule(event=changes())
    def change(self, event: Change) -> None:
        assert self.matcher.touched(event) == {key for key, read in self.registered.items() if touches(read, event)}

    def teardown(self) -> None:
        """When all have gone, nothing is left of them."""
        for key in list(self.registered):
            self.matcher.unregister(key)
        assert not self.matcher._seen
        assert not any(self.matcher._scanned.values())


TestMatcherBesideTheRule = MatcherBesideTheRule.TestCase
TestMatcherBesideTheRule.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


# --- the rule against what it is for: no result changes without a wake (docs/decisions/0003) ---

PRODUCTS = TABLES_BY_NAME["products"].spec
Table = dict[str, Document]


@dataclass(frozen=True)
class List:
    """What a page is of."""

    index: str
    equals: Sequence[KeyValue]
    also: tuple[str, ...]
    descending: bool


@st.composite
def lists(draw: st.DrawFn) -> List:
    index = draw(st.sampled_from([index for index in PRODUCTS.indexes if not index.unique]))
    key = draw(keys("products", index))
    if "search_keys" not in index.keys:
        return List(index.name, key[: draw(st.integers(1, 2))], (), draw(st.booleans()))
    length = 2 + index.keys.index("search_keys") + draw(st.integers(0, 1))
    return List(index.name, key[:length], tuple(draw(st.sets(st.sampled_from(["t", "te", "x"]), max_size=2))), draw(st.booleans()))


def entries(row: Document, index: str) -> list[bytes]:
    """Every key that the row has in the index."""
    columns = PRODUCTS.stored_keys(PRODUCTS.by_name[index])
    values = [sorted(set(row[column])) if column == "search_keys" else [row[column]] for column in columns]
    return [encode_key(key) for key in itertools.product(*values)]


def page(table: Table, of: List, first: int) -> tuple[list[Document], ReadSet]:
    """A page as it is read: `first` rows and one more, in either direction; and what was read for it."""
    low, high = prefix_interval(of.equals)
    placed = [(key, row) for row in table.values() for key in entries(row, of.index) if {*of.also} <= {*row["search_keys"]}]
    placed.sort(key=lambda at: at[0], reverse=of.descending)
    read = [(key, row) for key, row in placed if low <= key < high][: first + 1]
    if len(read) > first:
        last = read[-1][0]
        low, high = (last, high) if of.descending else (low, successor(last))
    return [row for _, row in read[:first]], read_set(Interval("products", of.index, low, high, of.also), *(row["_id"] for _, row in read))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_page_changes_without_a_wake_even_where_rows_are_looked_up_late(data: st.DataObject) -> None:
    table: Table = {row["_id"]: row for row in data.draw(st.lists(rows("products"), max_size=6))}
    of, first = data.draw(lists()), data.draw(st.integers(1, 3))
    before, read = page(table, of, first)

    history = [table]
    ids: list[tuple[str, Kind]] = []
    for row in data.draw(st.lists(rows("products"), min_size=1, max_size=3)):
        held = row["_id"] in history[-1]
        gone = held and data.draw(st.booleans())
        ids.append((row["_id"], "delete" if gone else "update" if held else "insert"))
        rest = {id: other for id, other in history[-1].items() if id != row["_id"]}
        history.append(rest if gone else {**rest, row["_id"]: row})

    # The look-up of change i finds the row as of any state from i on.
    moments = [data.draw(st.integers(at, len(ids))) for at in range(1, len(ids) + 1)]
    events = [
        Change(Version(at), "products", id, kind, None if kind == "delete" else history[moment].get(id), None)
        for at, ((id, kind), moment) in enumerate(zip(ids, moments, strict=True))
    ]
    after, _ = page(history[-1], of, first)

    if before != after:
        assert any(touches(read, event) for event in events)


def shown(*columns: str, whole: bool = False) -> ReadSet:
    """A read set of one product that went to the client, who selected these columns of it."""
    read = ReadSet(selected={"products": frozenset(columns)})
    read.saw("prd_1")
    read.shown.add("products")
    if whole:
        read.whole.add("products")
    return read


@pytest.mark.parametrize(
    ("read", "fields", "touched"),
    [
        (shown("name"), ["stock"], False),
        (shown("name"), ["stock", "name"], True),
        (shown("name", whole=True), ["stock"], True),
        (shown(), ["stock"], False),
        (shown("name"), None, True),
    ],
)
def test_a_row_that_was_only_shown_matters_by_the_columns_selected(read: ReadSet, fields: list[str] | None, touched: bool) -> None:
    event = Change(Version(1), "products", "prd_1", "update", None, None if fields is None else frozenset(fields))
    matcher: Matcher[str] = Matcher()
    matcher.register("watcher", read)
    assert touches(read, event) is touched
    assert matcher.touched(event) == ({"watcher"} if touched else set())


def test_a_row_that_was_shown_matters_by_the_keys_of_what_was_scanned_too() -> None:
    read = shown("name")
    read.scanned(Interval("products", "by_stock", *prefix_interval(["acc_1", False])))
    event = Change(Version(1), "products", "prd_1", "update", None, frozenset({"stock"}))
    assert touches(read, event)
