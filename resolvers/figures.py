"""What came and went in a period, from the summary rows that cover it: never from the sales and expenses themselves."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Final, Literal, Self

from datastore import schema as tables
from datastore.reading import MAX_FIRST, Reader
from resolvers.periods import Period, Span, covering

Kind = Literal["PRODUCT", "PAYMENT_METHOD", "HOUR", "EXPENSE_CATEGORY"]

_USUAL_PARTS: Final[dict[Kind, int]] = {"PRODUCT": 100, "PAYMENT_METHOD": 5, "HOUR": 24, "EXPENSE_CATEGORY": 50}
"""Rows that one day or month hardly exceeds: as many days or months are read in one page as then fit."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one product, payment method, hour or category has of a sum; `amount_minor` and `count` as in the table of breakdowns."""

    key: str
    amount_minor: int = 0
    count: int = 0

    def plus(self, row: tables.Breakdown) -> "Part":
        """The part with one row of it more."""
        return Part(self.key, self.amount_minor + row.amount_minor, self.count + row.count)


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of some summary rows, in minor units of the account's currency, and what follows from them."""

    sales_count: int = 0
    sales_minor: int = 0
    sales_tax_minor: int = 0
    refunds_minor: int = 0
    refunds_tax_minor: int = 0
    expenses_minor: int = 0
    expenses_tax_minor: int = 0

    @classmethod
    def of(cls, rows: Iterable[tables.Summary]) -> Self:
        """The sums of these rows."""
        rows = list(rows)
        return cls(**{column.name: sum(getattr(row, column.name) for row in rows) for column in fields(cls)})

    @property
    def tax_minor(self) -> int:
        """The tax in what was sold, less the tax in what was given back."""
        return self.sales_tax_minor - self.refunds_tax_minor

    @property
    def profit_minor(self) -> int:
        """What is left of sales after refunds and expenses, all without tax."""
        return (self.sales_minor - self.refunds_minor - self.tax_minor) - (self.expenses_minor - self.expenses_tax_minor)

    @property
    def average_sale_minor(self) -> int | None:
        """Of one sale, tax included, before refunds, rounded half to even; None where nothing was sold."""
        return round(Fraction(self.sales_minor, self.sales_count)) if self.sales_count else None


class LazyFigures:
    """The figures of one period, read when the first of them is asked for."""

    def __init__(self, period: Period) -> None:
        self.period = period
        self._figures: Figures | None = None
        self._reading = asyncio.Lock()

    async def read(self, db: Reader) -> Figures:
        """The figures."""
        async with self._reading:
            if self._figures is None:
                self._figures = Figures.of(await summaries_of(db, covering(self.period)))
            return self._figures


async def figures_of_parts(db: Reader, parts: Sequence[Period], spans: Sequence[Span]) -> Sequence[Figures]:
    """The figures of each of some periods that follow each other, from rows each of which lies in one of them."""
    firsts = [part.first for part in parts]
    rows: list[list[tables.Summary]] = [[] for _ in parts]
    for row in await summaries_of(db, spans):
        rows[bisect_right(firsts, date.fromisoformat(row.starts_on)) - 1].append(row)
    return [Figures.of(of_part) for of_part in rows]


async def summaries_of(db: Reader, spans: Sequence[Span]) -> Sequence[tables.Summary]:
    """The summary rows of these spans, all in one command, or a few where they are many."""

    async def rows(span: Span) -> Sequence[tables.Summary]:
        page = await db.page(tables.Summary, "by_key", (span.grain,), first=MAX_FIRST, low=f"{span.low}", high=f"{span.high}")
        return page.rows

    return list(chain.from_iterable(await asyncio.gather(*(rows(part) for span in spans for part in span.parts(MAX_FIRST)))))


async def parts_of(db: Reader, kind: Kind, period: Period) -> Sequence[Part]:
    """The parts of a kind in a period, the greatest amount first; those that came to nothing are left out."""
    pages = [part for span in covering(period) for part in span.parts(MAX_FIRST // _USUAL_PARTS[kind])]
    parts: dict[str, Part] = {}
    for row in chain.from_iterable(await asyncio.gather(*(_breakdowns_of(db, kind, page) for page in pages))):
        parts[row.key] = parts.get(row.key, Part(row.key)).plus(row)
    return by_amount(part for part in parts.values() if part.amount_minor or part.count)


def by_amount(parts: Iterable[Part]) -> list[Part]:
    """The parts, the greatest amount first; equal ones in the order of their keys."""
    return sorted(parts, key=lambda part: (-part.amount_minor, part.key))


async def _breakdowns_of(db: Reader, kind: Kind, span: Span) -> Sequence[tables.Breakdown]:
    rows: list[tables.Breakdown] = []
    after, more = None, True
    while more:
        page = await db.page(
            tables.Breakdown, "by_key", (kind, span.grain), first=MAX_FIRST, after=after, low=f"{span.low}", high=f"{span.high}"
        )
        rows += page.rows
        more = page.has_next_page
        after = page.cursor_at(len(page.rows) - 1) if more else None
    return rows
