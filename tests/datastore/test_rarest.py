"""A search for several words is read by the rarest of them, and looks at no more rows than one page may."""

import asyncio
import random

import pytest

from datastore import rarest
from datastore.database import Database
from datastore.errors import TooComplexError
from datastore.matching import touches
from datastore.paging import scan_of
from datastore.reading import Page, Reader, Snapshot
from datastore.schema import Product
from datastore.scope import Scope
from tests.datastore.changed_rows import change
from tests.datastore.explained import Spy, plans_of
from tests.datastore.samples import CURSORS, product, reader_of, stored


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tens of rows are as many here as tens of thousands elsewhere."""
    monkeypatch.setattr(rarest, "FEW", 5)
    monkeypatch.setattr(rarest, "MOST_EXAMINED", 20)


async def page(database: Database, scope: Scope, *texts: str, first: int = 3, after: str | None = None, **options: bool) -> Page[Product]:
    reader = reader_of(database, scope)
    return await reader.page(Product, "by_search", (texts[0], False), also=texts[1:], first=first, after=after, **options)


async def shelf(database: Database, scope: Scope, *kinds: str, size: int) -> list[Product]:
    """Products of some kinds by turns, in the order of their names."""
    rows = [product(scope, name=f"{number:03} {kinds[number % len(kinds)]}") for number in range(size)]
    await stored(database, *rows)
    return rows


@pytest.mark.parametrize("rare", [3, 15])
async def test_the_words_of_a_search_in_any_order_are_read_by_the_rarest(
    database: Database, scope: Scope, small_limits: None, rare: int
) -> None:
    names = ["tea", "green tea", "pot"]
    await stored(database, *(product(scope, name=f"{number} {names[number % 3]}") for number in range(90)))
    await stored(database, *(product(scope, name=f"{number} zest tea") for number in range(rare)))
    for texts in (("tea", "zest"), ("zest", "tea")):
        spy = Spy(database)
        found = await Reader(Snapshot(spy), scope, CURSORS).page(Product, "by_search", (texts[0], False), also=texts[1:], first=100)
        assert len(found.rows) == rare
        [read] = [command for command in spy.sent if "count" not in command]
        [plan] = await plans_of(database, read)
        assert plan["executionStats"]["totalKeysExamined"] <= rare + 1


async def test_counting_the_words_looks_at_a_bounded_part_of_the_index_and_at_no_row(database: Database, scope: Scope) -> None:
    await shelf(database, scope, "tea pot", size=1500)
    spy = Spy(database)
    await Reader(Snapshot(spy), scope, CURSORS).page(Product, "by_search", ("tea", False), also=["pot"], first=3)
    counts = [command for command in spy.sent if "count" in command]
    assert [command["limit"] for command in counts] == [rarest.FEW] * 2 + [rarest.MOST_EXAMINED] * 2
    for command in counts[:2]:
        [plan] = await plans_of(database, command)
        assert plan["executionStats"]["totalKeysExamined"] <= rarest.FEW + 1
        assert plan["executionStats"]["totalDocsExamined"] == 0


async def test_common_words_that_are_never_together_are_too_many_rows(database: Database, scope: Scope, small_limits: None) -> None:
    await shelf(database, scope, "tea", "pot", size=80)
    with pytest.raises(TooComplexError, match="search for another word as well"):
        await page(database, scope, "tea", "pot")
    spy = Spy(database)
    with pytest.raises(TooComplexError):
        await Reader(Snapshot(spy), scope, CURSORS).page(Product, "by_search", ("tea", False), also=["pot"], first=3)
    for command in spy.sent:
        for plan in await plans_of(database, command):
            assert plan["executionStats"]["totalKeysExamined"] <= rarest.MOST_EXAMINED + 2


async def test_words_that_just_so_many_rows_have_are_not_too_many(database: Database, scope: Scope, small_limits: None) -> None:
    await shelf(database, scope, "tea", "pot", size=2 * rarest.MOST_EXAMINED)
    assert (await page(database, scope, "tea", "pot")).rows == ()
    await shelf(database, scope, "tea", "pot", size=2)
    with pytest.raises(TooComplexError):
        await page(database, scope, "tea", "pot")


@pytest.mark.parametrize("descending", [False, True])
async def test_common_words_that_are_often_together_are_paged_to_the_end(
    database: Database, scope: Scope, small_limits: None, descending: bool
) -> None:
    rows = await shelf(database, scope, "tea pot", "tea", "pot", "jam", size=200)
    names: list[str] = []
    after, more = None, True
    while more:
        found = await page(database, scope, *random.Random(len(names)).sample(["tea", "pot"], 2), after=after, descending=descending)
        names += [row.name for row in found.rows]
        after, more = found.cursors[-1], found.has_next_page
    assert names == sorted((row.name for row in rows if "tea pot" in row.name), reverse=descending)


async def test_what_a_page_of_common_words_rests_on_is_exactly_what_it_read(database: Database, scope: Scope, small_limits: None) -> None:
    rows = await shelf(database, scope, "tea pot", "tea", "pot", size=200)
    for descending in (False, True):
        reader = reader_of(database, scope)
        await reader.page(Product, "by_search", ("tea", False), also=["pot"], first=3, descending=descending)
        read = set(reader.read_set.seen)
        reader.read_set.seen.clear()
        assert {row.id for row in rows if touches(reader.read_set, change(row.to_document()))} == read
        assert len(read) == 4


async def test_pages_of_common_words_beside_others_come_as_alone(database: Database, scope: Scope, small_limits: None) -> None:
    await shelf(database, scope, "tea pot", "tea", "pot", size=200)
    reader = reader_of(database, scope)
    both, single = await asyncio.gather(
        reader.page(Product, "by_search", ("tea", False), also=["pot"], first=5),
        reader.page(Product, "by_search", ("tea", False), first=5),
    )
    assert both.rows == (await page(database, scope, "pot", "tea", first=5)).rows
    assert single.rows == (await page(database, scope, "tea", first=5)).rows


def test_a_scan_by_a_text_that_it_is_not_for_is_none(scope: Scope) -> None:
    scan = scan_of(Product, "by_search", scope.account_id, ("tea", False), also=("pot",))
    assert scan.by_text("pot").equals == ("pot", False)
    assert scan.by_text("pot").also == ("tea",)
    with pytest.raises(ValueError, match="not among"):
        scan.by_text("jam")
    assert scan_of(Product, "by_name", scope.account_id, (False,)).texts == ()
