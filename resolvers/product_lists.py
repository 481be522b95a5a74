"""Which products a list shows and in which order: every combination that is offered is exactly one declared index."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from datastore.reading import Page, Reader
from resolvers.searching import Terms, search_terms


@strawberry.enum(description="What a list of products is ordered by. Ties are broken by id.")
class ProductOrder(Enum):
    """Orders of products."""

    NAME = strawberry.enum_value("name", description="By name, accents and case folded.")
    CREATED_AT = strawberry.enum_value("created", description="By when the product was made.")
    PRICE = strawberry.enum_value("price", description="By price.")
    STOCK = strawberry.enum_value("stock", description="By how many are in stock.")


Archived = Annotated[bool, strawberry.argument(description="Whether to list the archived products instead of those for sale.")]
LowStock = Annotated[
    bool | None,
    strawberry.argument(
        description="Only products whose tracked stock has come down to their threshold, or only the others. "
        "Goes with the orders NAME and STOCK, and within a category with NAME; not with a search."
    ),
]
OrderBy = Annotated[ProductOrder, strawberry.argument(description="What the list is ordered by.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description="Only products whose name, SKU or barcode have words that begin with each of these words, accents and case folded; "
        "up to 200 characters, of which the first 8 words count. Goes with the order NAME."
    ),
]


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """What a list of products shows; None: all."""

    archived: bool = False
    category_id: str | None = None
    low_stock: bool | None = None
    search: str | None = None


async def page_of_products(
    db: Reader, wanted: ProductFilter, order: ProductOrder, *, first: int, after: str | None, descending: bool
) -> Page[tables.Product]:
    """A page of the products that a filter lets through. Raises InvalidInputError for a combination that has no index."""
    if wanted.search is not None:
        terms = search_terms(wanted.search)
        index, equals = _search_index_for(wanted, order, terms)
        return await db.page(tables.Product, index, equals, also=terms.also, first=first, after=after, descending=descending)
    index, equals = _index_for(wanted, order)
    return await db.page(tables.Product, index, equals, first=first, after=after, descending=descending)


def _search_index_for(wanted: ProductFilter, order: ProductOrder, terms: Terms) -> tuple[str, tuple[str | bool, ...]]:
    """The index that holds what is searched for, and the values of its first keys."""
    if order is not ProductOrder.NAME:
        raise InvalidInputError.of("orderBy", "with search, products are ordered by NAME")
    if wanted.low_stock is not None:
        raise InvalidInputError.of("lowStock", "does not go with search")
    if wanted.category_id is None:
        return "by_search", (terms.key, wanted.archived)
    return "by_category_search", (wanted.category_id, terms.key, wanted.archived)


def _index_for(wanted: ProductFilter, order: ProductOrder) -> tuple[str, tuple[str | bool, ...]]:
    """The index that holds just these products in this order, and the values of its first keys."""
    if wanted.low_stock is None:
        if wanted.category_id is None:
            return f"by_{order.value}", (wanted.archived,)
        return f"by_category_{order.value}", (wanted.category_id, wanted.archived)
    if wanted.category_id is None:
        if order not in {ProductOrder.NAME, ProductOrder.STOCK}:
            raise InvalidInputError.of("orderBy", "with lowStock, products are ordered by NAME or STOCK")
        return f"by_low_stock_{order.value}", (wanted.low_stock, wanted.archived)
    if order is not ProductOrder.NAME:
        raise InvalidInputError.of("orderBy", "with lowStock and a category, products are ordered by NAME")
    return "by_category_low_stock", (wanted.category_id, wanted.low_stock, wanted.archived)
