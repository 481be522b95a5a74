"""The products that brought in most in a period, exactly, without reading what every product did.

Each day and month keeps its products ordered by amount. Over several of them this is the threshold algorithm of Fagin, Lotem and Naor
(Optimal Aggregation Algorithms for Middleware, 2003): all lists are read from the top, side by side; a product that none of them has
shown cannot have more than their last amounts together, and one that some have shown not more than its amounts there and the last ones
of the others. Once nothing can have more than those that are summed up, they are the greatest.

Three things differ from the paper: a product may be missing in a list (it then has nothing there); amounts may be negative (more was given
back than sold), so that what a list has not shown yet is bounded by its last amount or zero, whichever is more; and a product is summed
up only while it still can be among the greatest.
"""

import asyncio
from collections.abc import Sequence
from functools import partial, reduce
from itertools import chain
from typing import Final

from datastore import schema as tables
from datastore.paging import check_first
from datastore.reading import MAX_FIRST, Page, Reader
from resolvers.figures import Part, by_amount
from resolvers.periods import Period, Span, covering

MOST_PRODUCTS: Final = 50


async def top_products(db: Reader, period: Period, first: int) -> Sequence[Part]:
    """The first products by what they brought in, less what was given back of it; those that brought in nothing are left out.

    Which of several with the same amount are among them, where not all can be, is not said. Raises InvalidInputError for a `first`
    outside 1 to 50.
    """
    check_first(first, MOST_PRODUCTS)
    spans = covering(period)
    lists = [Ranking(db, row) for span in spans for row in span.parts(1)]
    if len(lists) == 1:
        return by_amount(Part(row.key).plus(row) for row in await lists[0].deepen(first) if row.amount_minor > 0)
    return await _Search(db, spans, lists, first).run()


class Ranking:
    """One day's or month's products, the greatest amount first, read as far as was asked for."""

    def __init__(self, db: Reader, row: Span) -> None:
        self._db = db
        self._equals = ("PRODUCT", row.grain, f"{row.low}")
        self.ended = False
        self._last: tables.Breakdown | None = None
        self._after: str | None = None
        # The products shown that have the last amount.
        self._level: set[str] = set()

    @property
    def open(self) -> bool:
        """Whether a product that it has not shown may have anything in it."""
        return not self.ended and (self._last is None or self._last.amount_minor > 0)

    @property
    def rest(self) -> int:
        """The most that a product can have in it that it has not shown; once something was read of it."""
        return self._last.amount_minor if self._last and self.open else 0

    async def deepen(self, count: int) -> Sequence[tables.Breakdown]:
        """The next rows, `count` or so."""
        page = await self._next_page(count)
        rows = [row for row in page.rows if row.key not in self._level]
        self.ended = not page.has_next_page
        if not self.ended:
            last = rows[-1].amount_minor
            same = {row.key for row in rows if row.amount_minor == last}
            self._level = self._level | same if self._last and self._last.amount_minor == last else same
            self._last, self._after = rows[-1], page.cursor_at(len(page.rows) - 1)
        return rows

    async def _next_page(self, count: int) -> Page[tables.Breakdown]:
        """Behind a cursor, each ranking would need a command of its own (`datastore/legs.py`); those that go on from an amount share one.

        What has that very amount then comes again, which is why a cursor is better where that is much.
        """
        by_amount = partial(self._db.page, tables.Breakdown, "by_amount", self._equals, descending=True)
        if self._last is None:
            return await by_amount(first=count)
        if len(self._level) > MAX_FIRST // 2:
            return await by_amount(first=MAX_FIRST, after=self._after)
        return await by_amount(first=min(count + len(self._level), MAX_FIRST), high=self._last.amount_minor + 1)


class _Search:
    """The search through several rankings for the `first` greatest sums."""

    def __init__(self, db: Reader, spans: Sequence[Span], lists: Sequence[Ranking], first: int) -> None:
        self._db = db
        self._spans = spans
        self._lists = lists
        self._first = first
        self._depth = first
        # What the rankings have shown of each product, and which of them have.
        self._shown: dict[str, Part] = {}
        self._shown_by: dict[str, list[Ranking]] = {}
        self._sums: dict[str, Part] = {}

    async def run(self) -> Sequence[Part]:
        """The greatest sums."""
        await self._deepen()
        while True:
            hopeful = self._hopeful()
            if hopeful:
                for part in await asyncio.gather(*(self._sum(product) for product in hopeful[: self._first])):
                    self._sums[part.key] = part
            elif sum(ranking.rest for ranking in self._lists) > self._least():
                await self._deepen()
            else:
                return self._greatest()

    def _greatest(self) -> list[Part]:
        return by_amount(part for part in self._sums.values() if part.amount_minor > 0)[: self._first]

    def _least(self) -> int:
        """What a product must have more than to be among the greatest."""
        greatest = self._greatest()
        return greatest[-1].amount_minor if len(greatest) == self._first else 0

    def _hopeful(self) -> list[str]:
        """The products not summed up yet that may be among the greatest, the most hopeful first.

        Those that every ranking has shown, or will not show, are summed up by that.
        """
        unended = sum(not ranking.ended for ranking in self._lists)
        rest = sum(ranking.rest for ranking in self._lists)
        bounds = {}
        for product in self._shown.keys() - self._sums.keys():
            shown_by = self._shown_by[product]
            if sum(not ranking.ended for ranking in shown_by) == unended:
                self._sums[product] = self._shown[product]
            else:
                bounds[product] = self._shown[product].amount_minor + rest - sum(ranking.rest for ranking in shown_by)
        least = self._least()
        return sorted((product for product, bound in bounds.items() if bound > least), key=lambda product: (-bounds[product], product))

    async def _deepen(self) -> None:
        rankings = [ranking for ranking in self._lists if ranking.open]
        for ranking, rows in zip(rankings, await asyncio.gather(*(ranking.deepen(self._depth) for ranking in rankings)), strict=True):
            for row in rows:
                self._shown[row.key] = self._shown.get(row.key, Part(row.key)).plus(row)
                self._shown_by.setdefault(row.key, []).append(ranking)
        self._depth = min(2 * self._depth, MAX_FIRST)

    async def _sum(self, product: str) -> Part:
        async def rows(span: Span) -> Sequence[tables.Breakdown]:
            equals = ("PRODUCT", span.grain, product)
            page = await self._db.page(tables.Breakdown, "by_part", equals, first=MAX_FIRST, low=f"{span.low}", high=f"{span.high}")
            return page.rows

        pages = await asyncio.gather(*(rows(part) for span in self._spans for part in span.parts(MAX_FIRST)))
        return reduce(Part.plus, chain.from_iterable(pages), Part(product))
