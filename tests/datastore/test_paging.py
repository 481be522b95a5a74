import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from datastore.cursors import Cursors
from datastore.database import Database
from datastore.errors import InvalidInputError
from datastore.keys import KeyValue, encode_key
from datastore.paging import UNBOUNDED, Unbounded, list_key
from datastore.reading import Page, Reader, Snapshot
from datastore.schema import Product, ProductCategory
from datastore.scope import Scope, grant
from datastore.tables import Index, OwnedRow
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from tests.datastore.explained import Spy, plans_of
from tests.datastore.samples import CURSORS, MOMENT, product, reader_of, stored

INDEXES = [index for index in Product.spec.indexes if list_key(Product, index) is None]
"""Those over lists have tests of their own, in test_list_pages.py."""


def shelf(scope: Scope, size: int = 60, seed: int = 1) -> list[Product]:
    """Products with many equal keys, so that ties must be broken."""
    chance = random.Random(seed)
    categories = [None, *(ProductCategory.new_id() for _ in range(2))]
    return [
        product(
            scope,
            name=chance.choice(["Tea", "tea", "Coffee", "", "C\x00ke", "Éclair", "🍰"]),
            sku=chance.choice([None, f"sku-{number}"]),
            category_id=chance.choice(categories),
            created_at=MOMENT + timedelta(hours=chance.randrange(-3, 3)),
            price_minor=chance.choice([-1, 0, 1, 250, 1 << 40]),
            stock=chance.randrange(3),
            archived=chance.random() < 0.2,
        )
        for number in range(size)
    ]


def key_of(row: OwnedRow, index: Index) -> bytes:
    document = row.to_document()
    return encode_key([document[name] for name in row.spec.stored_keys(index)])


def expected(rows: list[Product], index: Index, equals: tuple[KeyValue, ...], owner: str, *, descending: bool) -> list[Product]:
    """What a list must hold, worked out the slow way."""
    documents = {row.id: row.to_document() for row in rows}
    inside = [
        row
        for row in rows
        if row.account_id == owner
        and all(documents[row.id][name] == value for name, value in zip(index.keys, equals, strict=False))
        and not (index.unique and any(documents[row.id][name] is None for name in index.keys))
    ]
    return sorted(inside, key=lambda row: key_of(row, index), reverse=descending)


async def every_page(database: Database, scope: Scope, index: str, equals: tuple[KeyValue, ...], **options: Any) -> list[Page[Product]]:
    pages = []
    after = None
    while True:
        page = await reader_of(database, scope).page(Product, index, equals, after=after, **options)
        pages.append(page)
        if not page.has_next_page:
            return pages
        after = page.cursors[-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("index", INDEXES, ids=lambda index: index.name)
async def test_pages_one_behind_the_other_are_the_whole_list_in_order(
    database: Database, scope: Scope, index: Index, descending: bool
) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    rows = shelf(scope)
    await stored(database, *rows, *shelf(stranger))
    some = rows[0].to_document()
    for length in range(len(index.keys) + 1):
        equals = tuple(some[name] for name in index.keys[:length])
        pages = await every_page(database, scope, index.name, equals, first=7, descending=descending)
        read = [row.id for page in pages for row in page.rows]
        assert read == [row.id for row in expected(rows, index, equals, scope.account_id, descending=descending)]
        assert [page.has_previous_page for page in pages] == [number > 0 for number in range(len(pages))]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("index", INDEXES, ids=lambda index: index.name)
async def test_what_is_recorded_as_scanned_is_exactly_what_was_read(
    database: Database, scope: Scope, index: Index, descending: bool
) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    everything = [*shelf(scope), *shelf(stranger, seed=2)]
    await stored(database, *everything)
    after = None
    while True:
        reader = reader_of(database, scope)
        page = await reader.page(Product, index.name, [], first=9, after=after, descending=descending)
        scanned = {
            row.id
            for row in everything
            if not (index.unique and any(row.to_document()[name] is None for name in index.keys))
            and any(interval.low <= key_of(row, index) < interval.high for interval in reader.read_set.intervals)
        }
        assert scanned == reader.read_set.seen
        assert {row.id for row in page.rows} <= scanned
        assert len(scanned) == len(page.rows) + page.has_next_page
        if not page.has_next_page:
            break
        after = page.cursors[-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("index", "equals", "low", "high"),
    [
        ("by_price", (False,), 0, 250),
        ("by_price", (False,), UNBOUNDED, 0),
        ("by_price", (False,), 1, UNBOUNDED),
        ("by_price", (False,), 250, 250),
        ("by_price", (False,), 300, 250),
        ("by_created", (False,), MOMENT - timedelta(hours=1), MOMENT + timedelta(hours=1)),
        ("by_category_name", (), None, UNBOUNDED),
        ("by_category_name", (), UNBOUNDED, "pct_~"),
        ("by_category_name", (), "a", UNBOUNDED),
        ("by_category_name", (), UNBOUNDED, None),
        ("by_category_name", (), None, "pct_~"),
        ("by_sku", (), "sku-2", "sku-5"),
        ("by_sku", (), UNBOUNDED, "sku-5"),
        ("by_sku", (), UNBOUNDED, None),
    ],
)
async def test_a_range_is_half_open_and_null_is_the_least_of_all(
    database: Database,
    scope: Scope,
    index: str,
    equals: tuple[KeyValue, ...],
    low: KeyValue | Unbounded,
    high: KeyValue | Unbounded,
    descending: bool,
) -> None:
    rows = shelf(scope)
    await stored(database, *rows)
    declared = Product.spec.by_name[index]
    column = declared.keys[len(equals)]

    def inside(row: Product) -> bool:
        value = encode_key([row.to_document()[column]])
        return (low is UNBOUNDED or value >= encode_key([low])) and (high is UNBOUNDED or value < encode_key([high]))

    wanted = [row.id for row in expected(rows, declared, equals, scope.account_id, descending=descending) if inside(row)]
    pages = await every_page(database, scope, index, equals, first=4, descending=descending, low=low, high=high)
    assert [row.id for page in pages for row in page.rows] == wanted


@pytest.mark.parametrize("descending", [False, True])
async def test_a_cursor_from_before_a_range_begins_at_the_range(database: Database, scope: Scope, descending: bool) -> None:
    rows = [product(scope, price_minor=price) for price in range(10)]
    await stored(database, *rows)
    whole = await reader_of(database, scope).page(Product, "by_price", [False], first=10, descending=descending)
    reader = reader_of(database, scope)
    page = await reader.page(Product, "by_price", [False], first=10, after=whole.cursors[1], descending=descending, low=3, high=7)
    assert sorted(row.price_minor for row in page.rows) == [3, 4, 5, 6]


@pytest.mark.slow
async def test_a_page_at_any_depth_examines_no_more_keys_than_it_has_rows(database: Database, scope: Scope) -> None:
    # The worst case for a planner: every other key the same, so that only the wanted index in its order is cheap.
    await stored(database, *(product(scope, name="same", sku=f"sku-{number}", category_id=None) for number in range(1000)))
    for index in INDEXES:
        for descending in (False, True):
            after = None
            for _ in range(2):
                await _assert_cheap(database, scope, index, after, descending=descending)
                deep = await reader_of(database, scope).page(Product, index.name, [], first=100, after=after, descending=descending)
                after = deep.cursors[-1]
            await _assert_cheap(database, scope, index, after, descending=descending)


async def _assert_cheap(database: Database, scope: Scope, index: Index, after: str | None, *, descending: bool) -> None:
    """Explain the command of one page alone, and of the same page beside others, as they are sent."""
    for beside in (0, 3):
        spy = Spy(database)
        reader = Reader(Snapshot(spy), scope, CURSORS)
        others = [reader.page(ProductCategory, "by_position", [number], first=1) for number in range(beside)]
        await asyncio.gather(*others, reader.page(Product, index.name, [], first=20, after=after, descending=descending))
        plans = await plans_of(database, spy.sent[0])
        used = [plan for plan in plans if plan["queryPlanner"]["namespace"].endswith(".products")]
        assert [len(plans), len(used)] == [beside + 1, 1]
        winner = str(used[0]["queryPlanner"]["winningPlan"])
        assert f"'{index.name}'" in winner
        assert "'SORT'" not in winner
        # A merge of a few intervals looks one key ahead in each.
        assert used[0]["executionStats"]["totalKeysExamined"] <= 21 + 6, index
        # An index does not tell null from missing: a row found under null is looked at twice.
        assert used[0]["executionStats"]["totalDocsExamined"] <= 2 * 21, index


@pytest.mark.parametrize("first", [0, -1, 101, 1 << 31, 10**40])
async def test_first_outside_1_to_100_is_invalid_input(database: Database, scope: Scope, first: int) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await reader_of(database, scope).page(Product, "by_name", [], first=first)
    assert refused.value.fields[0].path == "first"


async def test_a_cursor_is_refused_by_every_list_but_its_own(database: Database, scope: Scope) -> None:
    await stored(database, *(product(scope) for _ in range(3)))
    cursor = (await reader_of(database, scope).page(Product, "by_name", [False], first=1)).cursors[0]
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    reader = reader_of(database, scope)
    attempts = [
        reader.page(Product, "by_stock", [False], first=1, after=cursor),
        reader.page(Product, "by_name", [True], first=1, after=cursor),
        reader.page(Product, "by_name", [], first=1, after=cursor),
        reader.page(Product, "by_name", [False], first=1, after=cursor, descending=True),
        reader.page(ProductCategory, "by_position", [], first=1, after=cursor),
        reader_of(database, stranger).page(Product, "by_name", [False], first=1, after=cursor),
        Reader(Snapshot(database), scope, Cursors(b"another secret")).page(Product, "by_name", [False], first=1, after=cursor),
        reader.page(Product, "by_name", [False], first=1, after=cursor[:-1] + ("A" if cursor[-1] != "A" else "B")),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInputError):
            await attempt
    assert len((await reader.page(Product, "by_name", [False], first=5, after=cursor)).rows) == 2


async def test_inserts_and_deletes_before_a_cursor_shift_nothing(database: Database, scope: Scope) -> None:
    rows = [product(scope, name=name) for name in "bdfh"]
    await stored(database, *rows)
    page = await reader_of(database, scope).page(Product, "by_name", [False], first=2)
    await stored(database, product(scope, name="a"), product(scope, name="c"))

    async def remove(transaction: Transaction) -> None:
        await Writer(transaction, scope).delete(rows[1])

    await run_transaction(database, remove)
    following = await reader_of(database, scope).page(Product, "by_name", [False], first=5, after=page.cursors[-1])
    assert [row.name for row in following.rows] == ["f", "h"]
