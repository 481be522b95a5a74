"""What a business sells, and how many of it are there."""

from typing import Annotated, Any, Self

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, Descending, First, id_of
from resolvers.audit import delete_recorded
from resolvers.connections import Connection
from resolvers.file_references import AnyFile, shown_file, usable_picture
from resolvers.functions import MutationContext, QueryContext, field, mutation, mutation_in_turn, query, shows
from resolvers.money import Money, Percentage, from_minor, from_ppm, to_minor, to_ppm
from resolvers.nodes import Node, node_type
from resolvers.product_categories import ProductCategory, count_products
from resolvers.product_inputs import AdjustStockInput, CreateProductInput, UpdateProductInput
from resolvers.product_lists import Archived, LowStock, OrderBy, ProductFilter, ProductOrder, Search, page_of_products
from resolvers.scalars import MOST_QUANTITY, Quantity
from resolvers.settings import settings_for_amounts
from resolvers.stock import Move, keep_inventory, move_stock, open_stock
from resolvers.text import code, text_argument


@node_type(tables.StockMovement)
@strawberry.type(description="One change of a product's stock.")
class StockMovement(Node):
    """A stock movement; a product's stock is the sum of its movements."""

    row: strawberry.Private[tables.StockMovement]
    delta: Quantity = strawberry.field(description="How many came, or, negative, how many went.")
    stock_after: Quantity = strawberry.field(description="How many were there then.")
    reason: str = strawberry.field(description="Why; may be empty.")
    user_id: strawberry.ID = strawberry.field(description="Who did it.")

    @classmethod
    def of(cls, row: tables.StockMovement) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            delta=Quantity(row.delta),
            stock_after=Quantity(row.stock_after),
            reason=row.reason,
            user_id=strawberry.ID(row.user_id),
        )

    @field(columns=["product_id"])
    async def product(self, ctx: QueryContext) -> Annotated["Product", strawberry.lazy("resolvers.products")] | None:
        """The product whose stock changed."""
        row = await ctx.db.shown.get(tables.Product, self.row.product_id)
        return None if row is None else Product.of(row)


@node_type(tables.Product)
@strawberry.type(description="Something the business sells.")
class Product(Node):
    """A product of the caller's account."""

    row: strawberry.Private[tables.Product]
    name: str = strawberry.field(description="What it is called.")
    description: str = strawberry.field(description="What there is to say of it; may be empty.")
    sku: str | None = strawberry.field(description="The business's own code for it; no two products have the same.")
    barcode: str | None = strawberry.field(description="The code printed on it.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    price: Money = strawberry.field(description="What one is sold for.", metadata=shows("price_minor", "currency"))
    cost: Money | None = strawberry.field(
        description="What one costs the business; null where it is not known.", metadata=shows("cost_minor", "currency")
    )
    tax_rate: Percentage | None = strawberry.field(
        description="The rate of tax in its price, in percent; null: the rate of the settings.", metadata=shows("tax_rate_ppm")
    )
    track_stock: bool = strawberry.field(description="Whether its stock is watched: then it cannot be taken below zero.")
    stock: Quantity = strawberry.field(description="How many are there.")
    low_stock_threshold: Quantity = strawberry.field(description="The stock at which it is low.")
    low_stock: bool = strawberry.field(description="Whether its tracked stock has come down to the threshold.")
    archived: bool = strawberry.field(description="Whether it is no longer for sale.")

    @classmethod
    def of(cls, row: tables.Product) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            description=row.description,
            sku=row.sku,
            barcode=row.barcode,
            currency=row.currency,
            price=from_minor(row.price_minor, row.currency),
            cost=None if row.cost_minor is None else from_minor(row.cost_minor, row.currency),
            tax_rate=None if row.tax_rate_ppm is None else from_ppm(row.tax_rate_ppm),
            track_stock=row.track_stock,
            stock=Quantity(row.stock),
            low_stock_threshold=Quantity(row.low_stock_threshold),
            low_stock=row.low_stock,
            archived=row.archived,
        )

    @field(columns=["category_id"])
    async def category(self, ctx: QueryContext) -> ProductCategory | None:
        """The category that it is listed under."""
        row = await ctx.db.shown.get(tables.ProductCategory, self.row.category_id) if self.row.category_id else None
        return None if row is None else ProductCategory.of(row)

    @field(columns=["image_id"])
    async def image(self, ctx: QueryContext) -> AnyFile | None:
        """A picture of it; null where it has none, and while that is in the bin."""
        return await shown_file(ctx.db, self.row.image_id)

    @field(columns=[])
    async def stock_movements(self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[StockMovement]:
        """The changes of its stock, the newest first."""
        page = await ctx.db.shown.page(tables.StockMovement, "by_product", (self.row.id,), first=first, after=after, descending=True)
        return Connection.of(page, StockMovement.of)


ProductId = Annotated[strawberry.ID, strawberry.argument(description="The id of a product.")]


@query
async def products(  # noqa: PLR0913, PLR0917  # the arguments of a list
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    category_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only the products of this category.")] = None,
    search: Search = None,
    low_stock: LowStock = None,
    archived: Archived = False,
    order_by: OrderBy = ProductOrder.NAME,
    descending: Descending = False,
) -> Connection[Product]:
    """Your products."""
    category = None if category_id is None else id_of(tables.ProductCategory, category_id, "categoryId")
    wanted = ProductFilter(archived, category, low_stock, search)
    page = await page_of_products(ctx.db.shown, wanted, order_by, first=first, after=after, descending=descending)
    return Connection.of(page, Product.of)


@query
async def product(ctx: QueryContext, id: ProductId) -> Product | None:
    """One of your products; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.Product, id_of(tables.Product, id, "id"))
    return None if row is None else Product.of(row)


@query
async def product_by_sku(
    ctx: QueryContext, sku: Annotated[str, strawberry.argument(description="The business's own code of a product.")]
) -> Product | None:
    """The product with this SKU; null where there is none."""
    row = await ctx.db.shown.find(tables.Product, "by_sku", text_argument(sku, code, "sku"))
    return None if row is None else Product.of(row)


@query
async def stock_movements(
    ctx: QueryContext, product_id: ProductId, first: First = DEFAULT_PAGE, after: After = None
) -> Connection[StockMovement]:
    """The changes of a product's stock, the newest first."""
    equals = (id_of(tables.Product, product_id, "productId"),)
    page = await ctx.db.shown.page(tables.StockMovement, "by_product", equals, first=first, after=after, descending=True)
    return Connection.of(page, StockMovement.of)


@mutation
async def create_product(
    ctx: MutationContext, input: Annotated[CreateProductInput, strawberry.argument(description="The new product.")]
) -> Product:
    """Makes a product. CONFLICT where the SKU is taken. Its price fixes the currency of the business."""
    settings = await settings_for_amounts(ctx.db)
    currency = settings.currency
    row = tables.Product(
        id=tables.Product.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=input.name,
        description=input.description,
        sku=input.sku,
        barcode=input.barcode,
        category_id=input.category_id,
        currency=currency,
        price_minor=to_minor(input.price, currency, "input.price"),
        cost_minor=None if input.cost is None else to_minor(input.cost, currency, "input.cost"),
        tax_rate_ppm=None if input.tax_rate is None else to_ppm(input.tax_rate),
        track_stock=input.track_stock,
        stock=input.stock,
        low_stock_threshold=settings.low_stock_threshold if input.low_stock_threshold is None else input.low_stock_threshold,
        archived=False,
        image_id=await usable_picture(ctx.db, input.image_id, "input.imageId"),
    )
    await count_products(ctx.db, input.category_id, 1)
    row = await ctx.db.insert(row)
    await open_stock(ctx, row)
    return Product.of(row)


@mutation
async def update_product(
    ctx: MutationContext, input: Annotated[UpdateProductInput, strawberry.argument(description="What to change.")]
) -> Product:
    """Changes a product. CONFLICT where the new SKU is taken."""
    row = await _existing(ctx.db, input.id, "input.id")
    changes = _stored(input.model_dump(exclude_unset=True, exclude={"id"}), row.currency)
    category_id = changes.get("category_id", row.category_id)
    if category_id != row.category_id:
        await count_products(ctx.db, row.category_id, -1)
        await count_products(ctx.db, category_id, 1)
    if "image_id" in changes:
        changes["image_id"] = await usable_picture(ctx.db, changes["image_id"], "input.imageId")
    changed = await ctx.db.update(row, **changes)
    await keep_inventory(ctx, [row], [changed])
    return Product.of(changed)


@mutation
async def archive_product(ctx: MutationContext, id: ProductId) -> Product:
    """Takes a product off sale, and keeps it."""
    return Product.of(await ctx.db.update(await _existing(ctx.db, id, "id"), archived=True))


@mutation
async def restore_product(ctx: MutationContext, id: ProductId) -> Product:
    """Puts an archived product on sale again."""
    return Product.of(await ctx.db.update(await _existing(ctx.db, id, "id"), archived=False))


@mutation
async def delete_product(ctx: MutationContext, id: ProductId) -> Product:
    """Deletes a product and its stock movements, for good. CONFLICT where it was ever sold."""
    row = await _existing(ctx.db, id, "id")
    # Safe against a sale at the same time: that guards this row, so one of the two transactions runs again.
    if await ctx.db.scan(tables.SaleItem, "by_product", (row.id,), first=1):
        raise ConflictError(f"“{row.name}” was sold; archive it instead.")
    await count_products(ctx.db, row.category_id, -1)
    await delete_recorded(ctx.db, row, row.name)
    await keep_inventory(ctx, [row], [])
    return Product.of(row)


@mutation_in_turn
async def adjust_stock(
    ctx: MutationContext, input: Annotated[AdjustStockInput, strawberry.argument(description="How the stock changes.")]
) -> Product:
    """Adds to or takes from a product's stock. CONFLICT where a tracked stock would go below zero."""
    if input.delta == 0:
        raise InvalidInputError.of("input.delta", "must not be zero")
    row = await _existing(ctx.db, input.product_id, "input.productId")
    if abs(row.stock + input.delta) > MOST_QUANTITY:
        raise InvalidInputError.of("input.delta", f"would take the stock beyond {MOST_QUANTITY:,}")
    return Product.of((await move_stock(ctx, [Move(row, input.delta, input.reason)]))[row.id])


async def _existing(db: Writer, id: str, path: str) -> tables.Product:
    return await db.get_existing(tables.Product, id_of(tables.Product, id, path), path)


def _stored(changes: dict[str, Any], currency: str) -> dict[str, Any]:
    """The changes as columns: amounts in minor units, rates in millionths."""
    columns = dict(changes)
    for name in columns.keys() & {"price", "cost"}:
        amount = columns.pop(name)
        columns[f"{name}_minor"] = None if amount is None else to_minor(amount, currency, f"input.{name}")
    if "tax_rate" in columns:
        rate = columns.pop("tax_rate")
        columns["tax_rate_ppm"] = None if rate is None else to_ppm(rate)
    return columns
