"""The REST API for programs: sales, products and stock, by the same functions as GraphQL's."""

import asyncio

from pydantic import Field

from datastore import schema as tables
from datastore.errors import NotFoundError
from datastore.reading import Page
from resolvers.arguments import id_of
from resolvers.days import Days
from resolvers.functions import QueryContext
from resolvers.product_inputs import AdjustStockInput
from resolvers.product_lists import ProductFilter, ProductOrder, page_of_products
from resolvers.products import Product, adjust_stock
from resolvers.rest_models import Day, Paging, ProductList, ProductView, SaleItemView, SaleList, SaleView, json_input, view_of
from resolvers.routes import RouteContext, route
from resolvers.sale_inputs import PaymentMethod, RecordSaleInput
from resolvers.sale_lists import SaleFilter, SaleStatus, all_lines, page_of_sales
from resolvers.sales import Sale, SaleItem, record_sale


class SalesQuery(Paging):
    """Which sales."""

    from_: Day | None = Field(default=None, alias="from", description="Only sales of this day or later.")
    to: Day | None = Field(default=None, description="Only sales of this day or earlier.")
    status: SaleStatus | None = Field(default=None, description="Only sales that have this status.")
    payment_method: PaymentMethod | None = Field(default=None, description="Only sales that were paid this way.")
    search: str | None = Field(
        default=None, description="Only sales in whose number, customer and note words begin with these; goes with from and to."
    )


class ProductsQuery(Paging):
    """Which products."""

    category_id: str | None = Field(default=None, description="Only products of this category.")
    search: str | None = Field(default=None, description="Only products in whose name, SKU and barcode words begin with these.")
    low_stock: bool | None = Field(default=None, description="Only products whose stock is low, or only the others; not with search.")
    archived: bool = Field(default=False, description="The archived products instead of those for sale.")


@route("GET", "/sales", "SALES_READ")
async def list_sales(ctx: RouteContext, query: SalesQuery) -> SaleList:
    """Your sales, the newest first, with their items."""
    return await ctx.query(_sales, query)


@route("GET", "/sales/{id}", "SALES_READ")
async def get_sale(ctx: RouteContext, id: str) -> SaleView:
    """One of your sales, with its items."""
    return await ctx.query(_sale, id)


@route("POST", "/sales", "SALES_WRITE", status=201)
async def post_sale(ctx: RouteContext, body: json_input(RecordSaleInput)) -> SaleView:  # type: ignore[valid-type]
    """Records a sale: prices and tax are worked out, the stock is taken, the next number given, the money entered into the ledger.

    409 names the product that is archived, or of which not as many are there.
    """
    sale = await ctx.mutate(record_sale, input=body)
    return await ctx.query(_sale, sale.row.id)


@route("GET", "/products", "PRODUCTS_READ")
async def list_products(ctx: RouteContext, query: ProductsQuery) -> ProductList:
    """Your products, by name."""
    return await ctx.query(_products, query)


@route("GET", "/products/{id}", "PRODUCTS_READ")
async def get_product(ctx: RouteContext, id: str) -> ProductView:
    """One of your products."""
    return await ctx.query(_product, id)


@route("POST", "/stock", "STOCK_WRITE")
async def post_stock(ctx: RouteContext, body: json_input(AdjustStockInput)) -> ProductView:  # type: ignore[valid-type]
    """Adds to or takes from a product's stock. 409 where a tracked stock would go below zero."""
    return product_view((await ctx.mutate(adjust_stock, input=body)).row)


async def _sales(ctx: QueryContext, query: SalesQuery) -> SaleList:
    wanted = SaleFilter(Days.between(query.from_, query.to), query.status, query.payment_method, query.search)
    page = await page_of_sales(ctx.db, wanted, first=query.limit, after=query.cursor)
    return SaleList(data=await asyncio.gather(*(sale_view(ctx, row) for row in page.rows)), next_cursor=_next(page))


async def _sale(ctx: QueryContext, id: str) -> SaleView:
    row = await ctx.db.get(tables.Sale, id_of(tables.Sale, id, "id"))
    if row is None:
        raise NotFoundError("id: there is no such sale.")
    return await sale_view(ctx, row)


async def _products(ctx: QueryContext, query: ProductsQuery) -> ProductList:
    category = None if query.category_id is None else id_of(tables.ProductCategory, query.category_id, "categoryId")
    wanted = ProductFilter(query.archived, category, query.low_stock, query.search)
    page = await page_of_products(ctx.db, wanted, ProductOrder.NAME, first=query.limit, after=query.cursor, descending=False)
    return ProductList(data=[product_view(row) for row in page.rows], next_cursor=_next(page))


async def _product(ctx: QueryContext, id: str) -> ProductView:
    row = await ctx.db.get(tables.Product, id_of(tables.Product, id, "id"))
    if row is None:
        raise NotFoundError("id: there is no such product.")
    return product_view(row)


async def sale_view(ctx: QueryContext, row: tables.Sale) -> SaleView:
    """The sale as programs are shown it, with its items."""
    lines = await all_lines(ctx.db, tables.SaleItem, "by_sale", row.id)
    items = [view_of(SaleItemView, SaleItem.of(line), product_id=line.product_id) for line in lines]
    return view_of(SaleView, Sale.of(row), items=items)


def product_view(row: tables.Product) -> ProductView:
    """The product as programs are shown it."""
    return view_of(ProductView, Product.of(row), category_id=row.category_id)


def _next(page: Page[tables.Sale] | Page[tables.Product]) -> str | None:
    return page.cursor_at(len(page.rows) - 1) if page.has_next_page else None
