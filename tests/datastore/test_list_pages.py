import asyncio
import random
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.keys import KeyValue, encode_key
from datastore.matching import touches
from datastore.paging import UNBOUNDED, Scan, scan_of
from datastore.reading import Page, Reader, Snapshot
from datastore.schema import Product, ProductCategory, Sale
from datastore.scope import Scope, grant
from tests.datastore.changed_rows import change
from tests.datastore.explained import Spy, plans_of
from tests.datastore.samples import CURSORS, product, reader_of, stored

CATEGORY = "pct_tea"


def shelf(scope: Scope, size: int = 80, seed: int = 1) -> list[Product]:
    """Products with many equal keys and words, and a few without any word."""
    chance = random.Random(seed)
    return [
        product(
            scope,
            name=" ".join(chance.choices(["tea", "Teapot", "green", "Grün", "x\x00y"], k=chance.randrange(4))),
            sku=None,
            category_id=chance.choice([None, CATEGORY, "pct_other"]),
            archived=chance.random() < 0.2,
        )
        for _ in range(size)
    ]


def expected(rows: list[Product], of: dict[str, Any], text: str, also: tuple[str, ...], *, descending: bool) -> list[Product]:
    """What a list must hold, worked out the slow way."""
    inside = [
        row for row in rows if {text, *also} <= set(row.search_keys) and all(getattr(row, name) == value for name, value in of.items())
    ]
    return sorted(inside, key=lambda row: encode_key([row.archived, row.name_key, row.id]), reverse=descending)


async def every_page(database: Database, scope: Scope, index: str, equals: tuple[KeyValue, ...], **options: Any) -> list[Page[Product]]:
    pages = []
    after = None
    while True:
        reader = reader_of(database, scope)
        page = await reader.page(Product, index, equals, after=after, **options)
        assert len(reader.read_set.seen) == len(page.rows) + page.has_next_page
        pages.append(page)
        if not page.has_next_page:
            return pages
        after = page.cursors[-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("also", [(), ("g",), ("green", "tea"), ("never",)], ids=str)
@pytest.mark.parametrize(
    ("index", "equals", "of"),
    [
        ("by_search", ("t",), {}),
        ("by_search", ("tea", False), {"archived": False}),
        ("by_search", ("teapot", True), {"archived": True}),
        ("by_search", ("x", False), {"archived": False}),
        ("by_category_search", (CATEGORY, "t"), {"category_id": CATEGORY}),
        ("by_category_search", (CATEGORY, "grun", False), {"category_id": CATEGORY, "archived": False}),
        ("by_category_search", (None, "tea", False), {"category_id": None, "archived": False}),
    ],
)
async def test_pages_of_a_search_one_behind_the_other_are_all_that_it_finds_in_order(
    database: Database, scope: Scope, index: str, equals: tuple[KeyValue, ...], of: dict[str, Any], also: tuple[str, ...], descending: bool
) -> None:
    rows = shelf(scope)
    await stored(database, *rows, *shelf(grant("acc_stranger", "usr_stranger", "OWNER")))
    text = str(equals[index == "by_category_search"])
    pages = await every_page(database, scope, index, equals, also=also, first=5, descending=descending)
    assert [row.id for page in pages for row in page.rows] == [row.id for row in expected(rows, of, text, also, descending=descending)]


async def test_what_a_page_of_a_search_rests_on_is_exactly_what_it_read(database: Database, scope: Scope) -> None:
    rows = shelf(scope)
    await stored(database, *rows)
    for descending in (False, True):
        reader = reader_of(database, scope)
        await reader.page(Product, "by_search", ["tea", False], also=["green"], first=3, descending=descending)
        read = set(reader.read_set.seen)
        reader.read_set.seen.clear()
        lying_in_it = {row.id for row in rows if touches(reader.read_set, change(row.to_document()))}
        assert lying_in_it == read
        assert len(read) == 4


@pytest.mark.slow
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("also", [(), ("pot",)], ids=str)
@pytest.mark.parametrize("index", ["by_search", "by_category_search"])
async def test_a_page_of_a_search_examines_no_more_keys_than_rows_with_its_text(
    database: Database, scope: Scope, index: str, also: tuple[str, ...], descending: bool
) -> None:
    # Every second in the order of names has the text, and of those every second the other one too; inside the category and outside.
    kinds, categories = ("tea pot", "x", "tea", "x"), (CATEGORY, "pct_other")
    rows = [product(scope, name=f"{number:04} {kinds[number % 4]}", category_id=categories[number // 4 % 2]) for number in range(2000)]
    await stored(database, *rows)
    equals = ("tea", False) if index == "by_search" else (CATEGORY, "tea", False)
    after = None
    for _ in range(2):
        for beside in (0, 3):
            await _assert_cheap(database, scope, index, equals, beside, also=also, after=after, descending=descending)
        page = await reader_of(database, scope).page(Product, index, equals, also=also, first=100, descending=descending)
        after = page.cursors[-1]


async def _assert_cheap(database: Database, scope: Scope, index: str, equals: tuple[KeyValue, ...], beside: int, **options: Any) -> None:
    """Explain the command of one page alone, and of the same page beside others, as they are sent."""
    spy = Spy(database)
    reader = Reader(Snapshot(spy), scope, CURSORS)
    others = [reader.page(ProductCategory, "by_position", [number], first=1) for number in range(beside)]
    await asyncio.gather(*others, reader.page(Product, index, equals, first=20, **options))
    read = [plan for command in spy.sent if "count" not in command for plan in await plans_of(database, command)]
    plans = [plan for plan in read if plan["queryPlanner"]["namespace"].endswith(".products")]
    assert len(plans) == 1
    winner = str(plans[0]["queryPlanner"]["winningPlan"])
    assert f"'{index}'" in winner
    assert "'SORT'" not in winner
    rarest = "pot" if options["also"] else "tea"
    assert f"'search_keys': ['[\"{rarest}\", \"{rarest}\"]']" in winner
    # Every row with the text is one that is looked for; a merge of a few intervals looks one key ahead in each.
    most = 21 + 6
    assert plans[0]["executionStats"]["totalKeysExamined"] <= most
    assert plans[0]["executionStats"]["totalDocsExamined"] <= most


async def test_searches_for_several_words_leave_one_by_one_each_with_its_hint(database: Database, scope: Scope) -> None:
    await stored(database, *shelf(scope))
    spy = Spy(database)
    reader = Reader(Snapshot(spy), scope, CURSORS)
    one, two, plain = await asyncio.gather(
        reader.page(Product, "by_search", ("tea", False), also=["g"], first=50),
        reader.page(Product, "by_search", ("teapot", False), also=["g"], first=50),
        reader.page(Product, "by_search", ("g", False), first=50),
    )
    assert {row.id for row in one.rows} >= {row.id for row in two.rows}
    assert {row.id for row in plain.rows} >= {row.id for row in one.rows}
    assert [command["hint"] for command in spy.sent if "find" in command] == ["by_search"] * 3


async def test_a_cursor_of_another_search_is_refused(database: Database, scope: Scope) -> None:
    await stored(database, *(product(scope, name="green tea pot") for _ in range(3)))
    reader = reader_of(database, scope)

    async def behind(cursor: str | None, text: str = "green", *also: str) -> Page[Product]:
        return await reader.page(Product, "by_search", (text, False), also=also, first=1, after=cursor)

    cursor = (await behind(None, "green", "tea", "pot")).cursors[0]
    for text, *also in [("green",), ("green", "tea"), ("gr", "green", "pot"), ("green", "tea", "pot", "gr")]:
        with pytest.raises(InvalidInputError):
            await behind(cursor, text, *also)
    for text, *also in [("green", "pot", "tea", "pot", "green"), ("tea", "green", "pot")]:
        assert (await behind(cursor, text, *also)).has_previous_page


async def test_a_search_within_a_range_of_days_is_a_range_of_its_index(scope: Scope) -> None:
    scan = scan_of(Sale, "by_search", scope.account_id, ("tea",), also=("pot",), low="2026-11-01", high="2026-12-01")
    leg = scan.leg(5)
    assert leg is not None
    assert leg.filter["search_keys"] == {"$eq": "tea"}
    assert leg.filter["sold_on"] == {"$gte": "2026-11-01", "$lt": "2026-12-01"}
    assert list(leg.sort) == ["account_id", "sold_on", "sold_at", "_id"]


@pytest.mark.parametrize(
    ("index", "equals", "also"),
    [
        ("by_search", (), ()),
        ("by_search", (None,), ()),
        ("by_search", (7,), ()),
        ("by_search", (["tea"],), ()),
        ("by_category_search", (CATEGORY,), ()),
        ("by_name", (False,), ("tea",)),
    ],
)
def test_a_list_is_read_by_one_of_its_texts(scope: Scope, index: str, equals: Any, also: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        scan_of(Product, index, scope.account_id, equals, also=also)


@pytest.mark.parametrize("texts", [("\ud800",), ("tea", "\udfff")])
def test_half_a_surrogate_pair_is_invalid_input(scope: Scope, texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        scan_of(Product, "by_search", scope.account_id, texts[:1], also=texts[1:])


async def test_a_text_that_looks_like_an_operator_is_a_text(database: Database, scope: Scope) -> None:
    odd = ["$ne", "", "\x00", "a.b", "^t.*"]
    documents = [product(scope).to_document() | {"search_keys": [text, "x"]} for text in odd]
    await database.command({"insert": "products", "documents": documents})
    for text, document in zip(odd, documents, strict=True):
        for equals, also in (((text,), ("x",)), (("x",), (text,))):
            page = await reader_of(database, scope).page(Product, "by_search", equals, also=also, first=10)
            assert [row.id for row in page.rows] == [document["_id"]]


def _scan(scope: Scope, **options: Any) -> Scan:
    return scan_of(Product, "by_search", scope.account_id, ("tea", False), low=UNBOUNDED, **options)


def test_the_same_search_in_another_order_is_the_same_list(scope: Scope) -> None:
    assert _scan(scope, also=("b", "a", "b", "tea")).context == _scan(scope, also=("a", "b")).context != _scan(scope, also=("a",)).context
