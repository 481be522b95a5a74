"""Which sales a list shows (every combination that is offered is exactly one declared index), and the lines of one."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeVar

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from datastore.reading import MAX_FIRST, Page, Reader
from resolvers.days import Days
from resolvers.sale_inputs import PaymentMethod
from resolvers.searching import LATER_WORDS, search_terms

Line = TypeVar("Line", tables.SaleItem, tables.RefundItem)


@strawberry.enum(description="What became of a sale.")
class SaleStatus(Enum):
    """The states of a sale."""

    COMPLETED = strawberry.enum_value("COMPLETED", description="It stands as it was recorded.")
    PARTLY_REFUNDED = strawberry.enum_value("PARTLY_REFUNDED", description="Money was given back for a part of it.")
    REFUNDED = strawberry.enum_value("REFUNDED", description="Money was given back for all of it.")
    VOIDED = strawberry.enum_value("VOIDED", description="It was called off, as if it had never been; its number stays taken.")


Status = Annotated[SaleStatus | None, strawberry.argument(description="Only sales that have this status.")]
PaidBy = Annotated[PaymentMethod | None, strawberry.argument(description="Only sales that were paid this way.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description="Only sales in whose number, customer's name or e-mail address, and note words begin with each of these words, "
        f"accents and case folded; up to 200 characters, of which the first 8 words count. {LATER_WORDS} Goes with from and to."
    ),
]


@dataclass(frozen=True, slots=True)
class SaleFilter:
    """What a list of sales shows; None: all."""

    days: Days
    status: SaleStatus | None = None
    payment_method: PaymentMethod | None = None
    search: str | None = None


async def page_of_sales(db: Reader, wanted: SaleFilter, *, first: int, after: str | None) -> Page[tables.Sale]:
    """A page of the sales that a filter lets through, the newest first. Raises InvalidInputError for a combination that has no index."""
    low, high = wanted.days.low, wanted.days.high
    if wanted.search is None:
        index, equals = _index_for(wanted)
        return await db.page(tables.Sale, index, equals, first=first, after=after, descending=True, low=low, high=high)
    if wanted.status is not None or wanted.payment_method is not None:
        raise InvalidInputError.of("search", "goes with from and to, not with status or paymentMethod")
    terms = search_terms(wanted.search)
    return await db.page(
        tables.Sale, "by_search", (terms.key,), also=terms.also, first=first, after=after, descending=True, low=low, high=high
    )


def _index_for(wanted: SaleFilter) -> tuple[str, tuple[str, ...]]:
    """The index that holds just these sales by day, and the values of its first keys."""
    equals = tuple(str(chosen.value) for chosen in (wanted.status, wanted.payment_method) if chosen is not None)
    if wanted.status is None:
        return "by_sold" if wanted.payment_method is None else "by_method", equals
    return "by_status" if wanted.payment_method is None else "by_status_method", equals


async def all_lines(db: Reader, table: type[Line], index: str, id: str) -> list[Line]:
    """All lines of the sale or refund with this id, in their order: at most 200, more than one page may have."""
    found: list[Line] = []
    while True:
        page = await db.page(table, index, (id,), first=MAX_FIRST, low=len(found))
        found += page.rows
        if not page.has_next_page:
            return found
