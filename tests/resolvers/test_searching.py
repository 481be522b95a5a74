import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datastore import rarest
from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.schema import Product
from datastore.scope import Scope, grant
from resolvers.searching import Terms, search_terms
from tests.datastore.samples import product, stored
from tests.gql.api import Api, Person
from tests.resolvers.shop import UPDATE_PRODUCT, Values, make_category, make_product, names, problems
from tests.resolvers.till import line, sell

SEARCH = """
query ($search: String, $first: Int!, $after: String, $categoryId: ID, $archived: Boolean!, $descending: Boolean!) {
  products(search: $search, first: $first, after: $after, categoryId: $categoryId, archived: $archived, descending: $descending) {
    nodes { id } pageInfo { hasNextPage endCursor }
  }
}
"""


async def found(api: Api, owner: Person, search: str, **variables: Any) -> list[str]:
    """The ids on all pages of a search."""
    ids: list[str] = []
    given = {"search": search, "first": 100, "after": None, "categoryId": None, "archived": False, "descending": False} | variables
    while True:
        page = (await api.data(SEARCH, given, caller=owner))["products"]
        ids += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return ids
        given["after"] = page["pageInfo"]["endCursor"]


async def stocked_shop(api: Api, owner: Person) -> dict[str, Values]:
    """A few products, by name."""
    drinks = (await make_category(api, owner, "Drinks"))["id"]
    made = [
        await make_product(api, owner, "Crème brûlée", sku="DES-01"),
        await make_product(api, owner, "Green tea", barcode="4006381333931", categoryId=drinks),
        await make_product(api, owner, "Teapot, green", sku="POT_7"),
        await make_product(api, owner, "Rooibos", categoryId=drinks, description="No real tea"),
        await make_product(api, owner, "東京タワー L'Œuvre", sku="teal"),
    ]
    return {row["name"]: row for row in made}


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("tea", ["Green tea", "Teapot, green", "東京タワー L'Œuvre"]),
        ("TEA green", ["Green tea", "Teapot, green"]),
        ("green tea", ["Green tea", "Teapot, green"]),
        ("  teap.gre", ["Teapot, green"]),
        ("creme", ["Crème brûlée"]),
        ("BRÛ crè", ["Crème brûlée"]),
        ("des-01", ["Crème brûlée"]),
        ("01", ["Crème brûlée"]),
        ("400638", ["Green tea"]),
        ("4006381333931", ["Green tea"]),
        ("pot 7", ["Teapot, green"]),
        ("タワー", ["東京タワー L'Œuvre"]),
        ("oeuv", ["東京タワー L'Œuvre"]),
        ("ea", []),
        ("real", []),
        ("green tea rooibos", []),
        ("tea.*", ["Green tea", "Teapot, green", "東京タワー L'Œuvre"]),
        ("$where", []),
        ("t e g r c b 0 1 2 3 4", []),
    ],
)
async def test_products_are_found_by_the_beginnings_of_the_words_of_their_name_and_codes(
    api: Api, owner: Person, search: str, expected: list[str]
) -> None:
    shop = await stocked_shop(api, owner)
    assert await found(api, owner, search) == [shop[name]["id"] for name in expected]


NO_WORD = ["", " ", ".*", "🍰", "_"]
NO_TEXT = ["\x00", "tea\x00", "\ud800", "tea\udfff"]
TOO_LONG = ["x" * 201, "x" * 10_000, "é\u0301" * 5000]


@pytest.mark.parametrize("search", [*NO_WORD, *NO_TEXT, *TOO_LONG], ids=lambda search: ascii(search[:9]))
async def test_a_search_for_no_word_or_for_what_is_no_text_is_refused(api: Api, owner: Person, search: str) -> None:
    variables = {"search": search, "first": 5, "archived": False, "descending": False}
    assert problems(await api.execute(SEARCH, variables, caller=owner)) == ["search"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("orderBy: PRICE", "orderBy"),
        ("orderBy: STOCK, descending: true", "orderBy"),
        ("orderBy: CREATED_AT", "orderBy"),
        ("lowStock: true", "lowStock"),
        ("lowStock: false, orderBy: NAME", "lowStock"),
    ],
)
async def test_a_search_in_an_order_or_with_a_filter_that_has_no_index_is_refused(
    api: Api, owner: Person, arguments: str, named: str
) -> None:
    tea = (await make_category(api, owner))["id"]
    document = f'{{ products(search: "tea", {arguments}) {{ nodes {{ id }} }} }}'
    assert problems(await api.execute(document, caller=owner)) == [named]
    nested = f'{{ productCategory(id: "{tea}") {{ products(search: "tea", {arguments}) {{ nodes {{ id }} }} }} }}'
    assert problems(await api.execute(nested, caller=owner)) == [named]


async def test_what_nobody_searches_for_is_the_whole_list(api: Api, owner: Person) -> None:
    await make_product(api, owner, "Tea")
    assert await names(api, owner, "search: null, orderBy: PRICE") == ["Tea"]


async def test_a_search_finds_nothing_of_another_business(api: Api, owner: Person, stranger: Person) -> None:
    await stocked_shop(api, owner)
    assert await found(api, stranger, "tea") == []


async def test_a_category_is_searched_too(api: Api, owner: Person) -> None:
    shop = await stocked_shop(api, owner)
    drinks = shop["Green tea"]["category"]["id"]
    assert await found(api, owner, "tea", categoryId=drinks) == [shop["Green tea"]["id"]]
    document = "query ($id: ID!, $search: String!) { productCategory(id: $id) { products(search: $search) { nodes { name } } } }"
    data = await api.data(document, {"id": drinks, "search": "gre te"}, caller=owner)
    assert data["productCategory"]["products"]["nodes"] == [{"name": "Green tea"}]


async def test_a_cursor_is_good_for_the_same_words_only(api: Api, owner: Person) -> None:
    await stocked_shop(api, owner)
    variables = {"first": 1, "archived": False, "descending": False}
    page = (await api.data(SEARCH, {**variables, "search": "green tea"}, caller=owner))["products"]
    after = page["pageInfo"]["endCursor"]
    again = (await api.data(SEARCH, {**variables, "search": "TEA, Gréén te", "after": after}, caller=owner))["products"]
    assert len(again["nodes"]) == 1
    for search in ("green", "tea", "green tea pot", None):
        assert problems(await api.execute(SEARCH, {**variables, "search": search, "after": after}, caller=owner)) == ["after"]


async def test_a_product_is_found_by_its_new_name_and_no_longer_by_its_old(api: Api, owner: Person) -> None:
    made = await make_product(api, owner, "Green tea", sku="S1")
    await api.data(UPDATE_PRODUCT, {"input": {"id": made["id"], "name": "Coffee", "sku": None, "barcode": "77"}}, caller=owner)
    assert await found(api, owner, "cof 77") == [made["id"]]
    assert [await found(api, owner, gone) for gone in ("tea", "s1")] == [[], []]


def test_the_longest_word_is_looked_for_first_and_the_order_of_words_does_not_matter() -> None:
    assert search_terms("te green tea") == search_terms("Tea te GREEN") == Terms("green", ("tea",))
    assert search_terms("bb aa") == Terms("aa", ("bb",))
    assert search_terms("aa aa a") == Terms("aa", ())


def test_only_so_many_words_count() -> None:
    terms = search_terms(" ".join(f"w{number}x" for number in range(30)))
    assert len({terms.key, *terms.also}) == 8


def test_the_argument_that_is_refused_is_named() -> None:
    with pytest.raises(InvalidInputError) as refused:
        search_terms("…", "filter.search")
    assert refused.value.fields[0].path == "filter.search"


# --- the search against a filter of all rows ---

# How a word may be written, and the parts that it is found by.
WRITTEN = {
    "Tea": ["tea"],
    "téa": ["tea"],
    "TEAPOT": ["teapot"],
    "o'Neil": ["o", "neil"],
    "Straße": ["strasse"],
    "x-100": ["x", "100"],
    "a_b": ["a", "b"],
    "Øre": ["ore"],
    "100%": ["100"],
    "🍰": [],
}
PARTS = sorted({part for parts in WRITTEN.values() for part in parts})
WORDS = st.lists(st.sampled_from(list(WRITTEN)), max_size=4)
TERMS = st.sampled_from(PARTS).flatmap(lambda part: st.integers(1, len(part)).map(lambda length: part[:length]))
SHELF = st.lists(st.tuples(WORDS, WORDS, st.sampled_from(["pct_1", "pct_2"]), st.booleans()), max_size=12)


def rows_of(scope: Scope, shelf: list[tuple[list[str], list[str], str, bool]]) -> list[tuple[Product, set[str]]]:
    """The products, and what each is found by."""
    return [
        (
            product(scope, name=" ".join(name), barcode="/".join(code), category_id=category, archived=archived),
            {part for word in (*name, *code) for part in WRITTEN[word]},
        )
        for name, code, category, archived in shelf
    ]


def as_lists_order(row: Product) -> tuple[bytes, str]:
    return row.name_key.encode(), row.id


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shelf=SHELF,
    terms=st.lists(TERMS, min_size=1, max_size=3),
    first=st.integers(1, 4),
    archived=st.booleans(),
    descending=st.booleans(),
    within=st.booleans(),
)
async def test_all_pages_of_a_search_are_what_a_filter_of_all_products_leaves(
    database: Database,
    api: Api,
    owner: Person,
    *,
    shelf: list[tuple[list[str], list[str], str, bool]],
    terms: list[str],
    first: int,
    archived: bool,
    descending: bool,
    within: bool,
) -> None:
    await database.command({"delete": "products", "deletes": [{"q": {}, "limit": 0}]})
    rows = rows_of(grant(owner.account_id, owner.user_id, "OWNER"), shelf)
    category = "pct_01ARZ3NDEKTSV4RRFFQ69G5FAV" if within else None
    rows = [(row.model_copy(update={"category_id": category}) if row.category_id == "pct_1" else row, parts) for row, parts in rows]
    await stored(database, *(row for row, _ in rows))
    wanted = [
        row
        for row, parts in rows
        if row.archived == archived
        and (category is None or row.category_id == category)
        and all(any(part.startswith(term) for part in parts) for term in terms)
    ]
    wanted.sort(key=as_lists_order, reverse=descending)
    search = unicodedata.normalize("NFD", " ".join(terms).upper())
    ids = await found(api, owner, search, first=first, archived=archived, descending=descending, categoryId=category)
    assert ids == [row.id for row in wanted]


FIND_SALES = "query ($search: String) { sales(search: $search) { nodes { id } } }"


async def test_the_last_word_of_the_longest_note_is_found(api: Api, owner: Person) -> None:
    note = " ".join(f"word{number}" for number in range(600))[:4990] + " Zebra"
    sold = await sell(api, owner, line(await make_product(api, owner, stock=5)), note=note, customerName="Ada Lovelace")
    for search in ("word0", "wor ada", "zebra", "ZEBRA lovel"):
        found_sales = await api.data(FIND_SALES, {"search": search}, caller=owner)
        assert [node["id"] for node in found_sales["sales"]["nodes"]] == [sold["id"]], search
    assert (await api.data(FIND_SALES, {"search": "zebr"}, caller=owner))["sales"]["nodes"] == []


async def test_a_search_that_would_look_at_too_many_rows_is_refused(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rarest, "FEW", 1)
    monkeypatch.setattr(rarest, "MOST_EXAMINED", 2)
    tea = await make_product(api, owner, stock=50)
    for number in range(6):
        await sell(api, owner, line(tea), customerName=("Anna Smith", "Bob Jones")[number % 2])
    refused = await api.execute(FIND_SALES, {"search": "smith bob"}, caller=owner)
    assert [error["extensions"]["code"] for error in refused["errors"]] == ["TOO_COMPLEX"]
    for search in ("smith anna", "smith zoe", "smith 1"):
        assert "errors" not in await api.execute(FIND_SALES.replace("(search:", "(first: 1, search:"), {"search": search}, caller=owner)
