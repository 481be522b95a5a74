"""Headings that products are listed under."""

from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, Descending, First, id_of
from resolvers.audit import delete_recorded
from resolvers.connections import Connection
from resolvers.functions import MutationContext, QueryContext, field, mutation, query
from resolvers.nodes import Node, node_of, node_type
from resolvers.positions import next_position, put_in_order
from resolvers.product_lists import Archived, LowStock, OrderBy, ProductFilter, ProductOrder, Search, page_of_products
from resolvers.text import Description, Name

if TYPE_CHECKING:
    from resolvers.products import Product

MOST_MOVED = 5000
"""Products that deleting a category moves: one transaction has to end within seconds (so many take two or three)."""

_BATCH = 1000

NAME = "What the category is called, 1 to 200 characters; no two are called the same, accents and case aside."
DESCRIPTION = "What it is about, up to 5,000 characters."


@node_type(tables.ProductCategory)
@strawberry.type(description="A heading that products are listed under.")
class ProductCategory(Node):
    """A category of the caller's account."""

    row: strawberry.Private[tables.ProductCategory]
    name: str = strawberry.field(description="What it is called.")
    description: str = strawberry.field(description="What it is about; may be empty.")
    position: int = strawberry.field(description="Its place among the categories, ascending, not necessarily without gaps.")
    product_count: int = strawberry.field(description="How many products are in it, archived ones included.")

    @classmethod
    def of(cls, row: tables.ProductCategory) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            description=row.description,
            position=row.position,
            product_count=row.product_count,
        )

    @field(columns=[])
    async def products(
        self,
        ctx: QueryContext,
        first: First = DEFAULT_PAGE,
        after: After = None,
        archived: Archived = False,
        low_stock: LowStock = None,
        search: Search = None,
        order_by: OrderBy = ProductOrder.NAME,
        descending: Descending = False,
    ) -> Connection[Annotated["Product", strawberry.lazy("resolvers.products")]]:
        """Its products."""
        wanted = ProductFilter(archived, self.row.id, low_stock, search)
        page = await page_of_products(ctx.db.shown, wanted, order_by, first=first, after=after, descending=descending)
        return Connection.of(page, node_of)


@strawberry.pydantic.input(description="A new product category. It becomes the last one.")
class CreateProductCategoryInput(BaseModel):
    """A new category."""

    name: Name = Field(description=NAME)
    description: Description = Field(default="", description=DESCRIPTION)


@strawberry.pydantic.input(description="What to change of a product category; what is left out stays.")
class UpdateProductCategoryInput(BaseModel):
    """Changes of a category."""

    id: strawberry.ID = Field(description="The category to change.")
    name: strawberry.Maybe[Name] = Field(default=None, description=NAME)
    description: strawberry.Maybe[Description] = Field(default=None, description=DESCRIPTION)


CategoryId = Annotated[strawberry.ID, strawberry.argument(description="The id of a product category.")]


@query
async def product_categories(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[ProductCategory]:
    """Your product categories, in the order that you put them in."""
    page = await ctx.db.shown.page(tables.ProductCategory, "by_position", (), first=first, after=after)
    return Connection.of(page, ProductCategory.of)


@query
async def product_category(ctx: QueryContext, id: CategoryId) -> ProductCategory | None:
    """One of your product categories; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.ProductCategory, id_of(tables.ProductCategory, id, "id"))
    return None if row is None else ProductCategory.of(row)


@mutation
async def create_product_category(
    ctx: MutationContext, input: Annotated[CreateProductCategoryInput, strawberry.argument(description="The new category.")]
) -> ProductCategory:
    """Makes a product category. CONFLICT where the name is taken, or there are 500 already."""
    row = tables.ProductCategory(
        id=tables.ProductCategory.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=input.name,
        description=input.description,
        position=await next_position(ctx.db, tables.ProductCategory),
        product_count=0,
    )
    return ProductCategory.of(await ctx.db.insert(row))


@mutation
async def update_product_category(
    ctx: MutationContext, input: Annotated[UpdateProductCategoryInput, strawberry.argument(description="What to change.")]
) -> ProductCategory:
    """Changes a product category. CONFLICT where the new name is taken."""
    row = await _existing(ctx.db, input.id, "input.id")
    changes: dict[str, Any] = input.model_dump(exclude_unset=True, exclude={"id"})
    return ProductCategory.of(await ctx.db.update(row, **changes))


@mutation
async def delete_product_category(
    ctx: MutationContext,
    id: CategoryId,
    move_products_to: Annotated[
        strawberry.ID | None, strawberry.argument(description="The category that its products go to, at most 5,000 of them.")
    ] = None,
) -> ProductCategory:
    """Deletes a product category. CONFLICT where products are in it and nothing is said of where they go."""
    row = await _existing(ctx.db, id, "id")
    if move_products_to is not None:
        if move_products_to == id:
            raise InvalidInputError.of("moveProductsTo", "must be another category than the one deleted")
        row = await _move_products(ctx.db, row, await _existing(ctx.db, move_products_to, "moveProductsTo"))
    elif row.product_count:
        raise ConflictError(f"{row.product_count} products are in this category; say with moveProductsTo where they go.")
    await delete_recorded(ctx.db, row, row.name)
    return ProductCategory.of(row)


@mutation
async def reorder_product_categories(
    ctx: MutationContext,
    ids: Annotated[
        list[strawberry.ID], strawberry.argument(description="The ids of all your product categories, each once, in the new order.")
    ],
) -> list[ProductCategory]:
    """Puts your product categories in a new order, and returns them in it."""
    return [ProductCategory.of(row) for row in await put_in_order(ctx.db, tables.ProductCategory, ids)]


async def count_products(db: Writer, category_id: str | None, delta: int) -> None:
    """Keeps the count of a category that a product comes to or leaves. NotFoundError, naming `input.categoryId`, where there is none.

    It writes the category's row, which thereby cannot be deleted by a transaction at the same time.
    """
    if category_id is not None:
        await db.increment(await _existing(db, category_id, "input.categoryId"), product_count=delta)


async def _existing(db: Writer, id: str, path: str) -> tables.ProductCategory:
    return await db.get_existing(tables.ProductCategory, id_of(tables.ProductCategory, id, path), path)


async def _move_products(db: Writer, source: tables.ProductCategory, target: tables.ProductCategory) -> tables.ProductCategory:
    """Moves all products of a category, in batches, and returns its row as it is then."""
    if source.product_count > MOST_MOVED:
        held = f"{source.product_count:,} products are in this category"
        raise ConflictError(f"{held}; at most {MOST_MOVED:,} are moved at once. Move the others with updateProduct before.")
    for archived in (False, True):
        # What was moved has left the index, so the next batch is always the first page.
        while rows := await db.scan(tables.Product, "by_category_name", (source.id, archived), first=_BATCH):
            await db.update_all([(product, {"category_id": target.id}) for product in rows])
    await db.increment(target, product_count=source.product_count)
    return await db.increment(source, product_count=-source.product_count)
