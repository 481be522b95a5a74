from typing import Any

import pytest

from datastore.keys import encode_key, prefix_interval, successor
from datastore.listed_keys import MOST_ENTRIES, ListTrees
from datastore.matching import Matcher
from datastore.read_set import Interval, ReadSet
from tests.datastore.changed_rows import change, product, read_set, search, woken


def test_a_row_wakes_who_looks_for_any_text_of_its_list() -> None:
    tea = read_set(search("acc_1", "tea", False))

    assert woken(tea, change(product("prd_1", search_keys=["green", "tea"])))
    assert not woken(tea, change(product("prd_1", search_keys=["green", "teapot"])))
    assert not woken(tea, change(product("prd_1", search_keys=["tea"], archived=True)))
    assert not woken(tea, change(product("prd_1", "acc_2", search_keys=["tea"])))
    assert not woken(tea, change(product("prd_1", search_keys=[])))


def test_a_row_without_all_that_is_looked_for_wakes_nobody() -> None:
    green_tea = read_set(search("acc_1", "green", False, also=["pot", "tea"]))

    assert not woken(green_tea, change(product("prd_1", search_keys=["green", "tea"])))
    assert not woken(green_tea, change(product("prd_1", search_keys=["pot", "tea"])))
    assert woken(green_tea, change(product("prd_1", search_keys=["big", "green", "pot", "tea"])))


def test_a_search_in_a_category_is_of_that_category() -> None:
    shelf = read_set(search("acc_1", "pct_1", "tea", False, index="by_category_search"))

    assert woken(shelf, change(product("prd_1", search_keys=["tea"], category_id="pct_1")))
    assert not woken(shelf, change(product("prd_1", search_keys=["tea"], category_id="pct_2")))
    assert not woken(shelf, change(product("prd_1", search_keys=["tea"])))


def test_a_row_behind_the_last_one_of_a_page_of_a_search_wakes_nobody() -> None:
    low, _ = prefix_interval(["acc_1", "tea", False])
    page = read_set(Interval("products", "by_search", low, successor(encode_key(["acc_1", "tea", False, "milk", "prd_5"]))))

    assert woken(page, change(product("prd_9", search_keys=["t", "tea"], name_key="bread")))
    assert not woken(page, change(product("prd_9", search_keys=["t", "tea"], name_key="nuts")))


def test_a_text_that_is_no_list_is_a_list_of_it() -> None:
    """As the server takes it; only a writer that goes around the validators can store one."""
    assert woken(read_set(search("acc_1", "tea")), change(product("prd_1", search_keys="tea")))
    assert not woken(read_set(search("acc_1", "tea")), change(product("prd_1", search_keys=None)))


@pytest.mark.parametrize(
    "columns",
    [
        {"search_keys": [f"key {number}" for number in range(MOST_ENTRIES + 1)]},
        {"search_keys": ["a", 1.5]},
        {"search_keys": [["tea"]]},
        {"search_keys": {"tea": 1}},
        {"search_keys": ["a"], "category_id": 1.5},
    ],
    ids=["long", "double", "nested", "document", "before the list"],
)
def test_a_list_that_no_writer_of_ours_stores_could_stand_anywhere_in_its_account(columns: dict[str, Any]) -> None:
    odd = change(product("prd_1", **columns))
    assert woken(read_set(search("acc_1", "pct_1", "tea", index="by_category_search")), odd) is (columns.get("category_id") is not None)
    assert woken(read_set(search("acc_1", None, "tea", index="by_category_search")), odd)
    assert not woken(read_set(search("acc_2", None, "tea", index="by_category_search")), odd)


def test_a_value_behind_the_list_that_no_column_of_ours_holds_could_stand_anywhere_under_its_texts() -> None:
    odd = change(product("prd_1", search_keys=["tea"], archived=1.5))

    assert woken(read_set(search("acc_1", "tea", True)), odd)
    assert not woken(read_set(search("acc_1", "te", True)), odd)


def test_an_interval_over_several_texts_is_matched_too() -> None:
    everything = read_set(Interval("products", "by_search", *prefix_interval(["acc_1"]), ("green",)))

    assert woken(everything, change(product("prd_1", search_keys=["green", "tea"])))
    assert not woken(everything, change(product("prd_1", search_keys=["tea"])))


def test_a_change_of_one_text_of_the_list_matters_to_who_scanned_it() -> None:
    read = ReadSet(selected={"products": frozenset({"name"})})
    read.saw("prd_1")
    read.shown.add("products")
    read.scanned(search("acc_1", "tea"))

    assert woken(read, change(product("prd_1", search_keys=["pot"]), "update", fields=["search_keys"]))
    assert not woken(read, change(product("prd_1", search_keys=["pot"]), "update", fields=["stock"]))


def test_a_row_of_many_texts_is_looked_up_by_its_own_however_many_are_looked_for() -> None:
    """The cost of a change does not grow with the searches that it does not touch: they are not even compared."""
    matcher: Matcher[int] = Matcher()
    for number in range(1000):
        matcher.register(number, read_set(search("acc_1", f"word {number}", False)))
    matcher.register(-1, read_set(search("acc_1", "tea", False)))
    compared: list[object] = []

    class Watched(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            compared.append(key)
            return super().get(key, default)

    (trees,) = matcher._scanned["products"].values()
    tree = trees["by_search"]
    assert isinstance(tree, ListTrees)
    tree._trees = Watched(tree._trees)
    assert matcher.touched(change(product("prd_1", search_keys=["t", "te", "tea"]))) == {-1}
    assert len(compared) == 3
