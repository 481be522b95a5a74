"""What was sold: recorded in one transaction with the stock it takes, the money it brings, and the sums it counts in."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self, cast

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError, NotFoundError
from datastore.reading import MAX_FIRST
from datastore.schema_sales import PaymentMethod as Method
from datastore.writing import Writer
from resolvers import ledger
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.days import Days, From, To, check_moment
from resolvers.functions import MutationContext, QueryContext, field, mutation_in_group, query, shows
from resolvers.members import Member, member_of
from resolvers.money import Money, Percentage, from_minor, from_ppm, to_minor
from resolvers.nodes import Node, node_of, node_type
from resolvers.pricing import Line, price_sale
from resolvers.products import Product
from resolvers.sale_inputs import MOST_ITEMS, PaymentMethod, RecordSaleInput, SaleItemInput
from resolvers.sale_lists import PaidBy, SaleFilter, SaleStatus, Search, Status, all_lines, page_of_sales
from resolvers.sale_rows import Order, Ordered, item_rows, sale_row
from resolvers.scalars import Quantity
from resolvers.settings import settings_for_amounts
from resolvers.stock import Move, move_stock
from resolvers.summaries import Tallies

if TYPE_CHECKING:
    from resolvers.payments import Payment
    from resolvers.refunds import Refund

NUMBERS = "sales"
"""The series that the numbers of sales are of."""


@strawberry.enum(description="Whether the money for a sale is there.")
class PaymentStatus(Enum):
    """The states of a payment."""

    PENDING = strawberry.enum_value("PENDING", description="It is awaited. The sale is in neither the ledger nor the sums until it comes.")
    PAID = strawberry.enum_value("PAID", description="It is there.")


@node_type(tables.SaleItem)
@strawberry.type(description="One line of a sale: what was sold is kept as it was then.")
class SaleItem(Node):
    """A line of a sale of the caller's account."""

    row: strawberry.Private[tables.SaleItem]
    name: str = strawberry.field(description="What the product was called.")
    sku: str | None = strawberry.field(description="The business's own code for it then.")
    quantity: Quantity = strawberry.field(description="How many were sold.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    unit_price: Money = strawberry.field(description="What one was sold for.", metadata=shows("unit_price_minor", "currency"))
    discount: Money = strawberry.field(
        description="What was taken off: its own discount and its share of the sale's.", metadata=shows("discount_minor", "currency")
    )
    tax_rate: Percentage = strawberry.field(description="Its rate of tax, in percent.", metadata=shows("tax_rate_ppm"))
    tax: Money = strawberry.field(description="The tax in its total.", metadata=shows("tax_minor", "currency"))
    total: Money = strawberry.field(description="What is paid for it, tax included.", metadata=shows("total_minor", "currency"))
    refunded_quantity: Quantity = strawberry.field(description="How many were given back.")
    refunded: Money = strawberry.field(description="How much money was given back for it.", metadata=shows("refunded_minor", "currency"))

    @classmethod
    def of(cls, row: tables.SaleItem) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            sku=row.sku,
            quantity=Quantity(row.quantity),
            currency=row.currency,
            unit_price=from_minor(row.unit_price_minor, row.currency),
            discount=from_minor(row.discount_minor, row.currency),
            tax_rate=from_ppm(row.tax_rate_ppm),
            tax=from_minor(row.tax_minor, row.currency),
            total=from_minor(row.total_minor, row.currency),
            refunded_quantity=Quantity(row.refunded_quantity),
            refunded=from_minor(row.refunded_minor, row.currency),
        )

    @field(columns=["product_id"])
    async def product(self, ctx: QueryContext) -> Product | None:
        """The product as it is now."""
        row = await ctx.db.shown.get(tables.Product, self.row.product_id)
        return None if row is None else Product.of(row)

    @field(columns=["sale_id"])
    async def sale(self, ctx: QueryContext) -> Annotated["Sale", strawberry.lazy("resolvers.sales")] | None:
        """The sale that it is a line of."""
        row = await ctx.db.shown.get(tables.Sale, self.row.sale_id)
        return None if row is None else Sale.of(row)


@node_type(tables.Sale)
@strawberry.type(description="Something sold. Its amounts are the sums of its items; only what is refunded changes later.")
class Sale(Node):
    """A sale of the caller's account."""

    row: strawberry.Private[tables.Sale]
    number: Quantity = strawberry.field(description="1, 2, 3 … in the business, without a gap.")
    status: SaleStatus = strawberry.field(description="What became of it.")
    currency: str = strawberry.field(description="The ISO 4217 code of the currency that its amounts are in.")
    prices_include_tax: bool = strawberry.field(description="Whether its prices include the tax, or it comes on top.")
    subtotal: Money = strawberry.field(
        description="Unit prices times quantities, before discounts.", metadata=shows("subtotal_minor", "currency")
    )
    discount: Money = strawberry.field(
        description="What was taken off, of items and of the whole.", metadata=shows("discount_minor", "currency")
    )
    tax: Money = strawberry.field(description="The tax in its total.", metadata=shows("tax_minor", "currency"))
    total: Money = strawberry.field(description="What the customer pays, tax included.", metadata=shows("total_minor", "currency"))
    refunded: Money = strawberry.field(description="How much money was given back.", metadata=shows("refunded_minor", "currency"))
    payment_method: PaymentMethod = strawberry.field(description="How it was paid.")
    payment_status: PaymentStatus = strawberry.field(description="Whether the money is there.")
    customer_name: str | None = strawberry.field(description="Who bought it, where that is known.")
    customer_email: str | None = strawberry.field(description="The customer's e-mail address, where it is known.")
    note: str = strawberry.field(description="What there is to say of it; may be empty.")
    sold_at: datetime = strawberry.field(description="When it was sold.")
    sold_on: date = strawberry.field(
        description="The day that it counts for: that of the business's time zone as it was when the sale was recorded."
    )
    voided_at: datetime | None = strawberry.field(description="When it was called off; null where it was not.")
    void_reason: str = strawberry.field(description="Why it was called off; may be empty.")
    paid_at: datetime | None = strawberry.field(
        description="When the payment came that it awaited; null while it has not, and where it was paid when it was recorded."
    )

    @classmethod
    def of(cls, row: tables.Sale) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            number=Quantity(row.number),
            status=SaleStatus(row.status),
            currency=row.currency,
            prices_include_tax=row.prices_include_tax,
            subtotal=from_minor(row.subtotal_minor, row.currency),
            discount=from_minor(row.discount_minor, row.currency),
            tax=from_minor(row.tax_minor, row.currency),
            total=from_minor(row.total_minor, row.currency),
            refunded=from_minor(row.refunded_minor, row.currency),
            payment_method=PaymentMethod(row.payment_method),
            payment_status=PaymentStatus(row.payment_status),
            customer_name=row.customer_name,
            customer_email=row.customer_email,
            note=row.note,
            sold_at=row.sold_at,
            sold_on=date.fromisoformat(row.sold_on),
            voided_at=row.voided_at,
            void_reason=row.void_reason,
            paid_at=row.paid_at,
        )

    @field(columns=[])
    async def items(self, ctx: QueryContext) -> list[SaleItem]:
        """What was sold, at most 200 lines."""
        return [SaleItem.of(row) for row in await all_lines(ctx.db.shown, tables.SaleItem, "by_sale", self.row.id)]

    @field(columns=["sold_by_id"])
    async def sold_by(self, ctx: QueryContext) -> Member | None:
        """Who recorded it; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.sold_by_id)

    @field(columns=[])
    async def refunds(self, ctx: QueryContext) -> list[Annotated["Refund", strawberry.lazy("resolvers.refunds")]]:
        """The money that was given back for it, at most 100 refunds, the first one first."""
        page = await ctx.db.shown.page(tables.Refund, "by_sale", (self.row.id,), first=MAX_FIRST)
        return [node_of(row) for row in page.rows]

    @field(columns=[])
    async def payments(self, ctx: QueryContext) -> list[Annotated["Payment", strawberry.lazy("resolvers.payments")]]:
        """Its payments through Stripe, at most 100, the first one first."""
        page = await ctx.db.shown.page(tables.Payment, "by_sale", (self.row.id,), first=MAX_FIRST)
        return [node_of(row) for row in page.rows]


@query
async def sales(
    ctx: QueryContext,
    first: First = DEFAULT_PAGE,
    after: After = None,
    from_: From = None,
    to: To = None,
    status: Status = None,
    payment_method: PaidBy = None,
    search: Search = None,
) -> Connection[Sale]:
    """Your sales, the newest first."""
    wanted = SaleFilter(Days.between(from_, to), status, payment_method, search)
    return Connection.of(await page_of_sales(ctx.db.shown, wanted, first=first, after=after), Sale.of)


SaleId = Annotated[strawberry.ID, strawberry.argument(description="The id of a sale.")]


@query
async def sale(ctx: QueryContext, id: SaleId) -> Sale | None:
    """One of your sales; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.Sale, id_of(tables.Sale, id, "id"))
    return None if row is None else Sale.of(row)


@query
async def sale_by_number(
    ctx: QueryContext, number: Annotated[Quantity, strawberry.argument(description="The number of a sale.")]
) -> Sale | None:
    """The sale with this number; null where there is none."""
    row = await ctx.db.shown.find(tables.Sale, "by_number", number)
    return None if row is None else Sale.of(row)


@mutation_in_group
async def record_sale(
    ctx: MutationContext, input: Annotated[RecordSaleInput, strawberry.argument(description="What was sold, and how it was paid.")]
) -> Sale:
    """Records a sale: prices and tax are worked out, the stock is taken, the next number given, the money entered into the ledger.

    A sale that awaits its payment is entered, and counted, once it is paid, on its own day too. CONFLICT names the product that is
    archived, or of which not as many are there.
    """
    ctx.db.require("insert", tables.Sale)
    books = ctx.for_business  # who may record a sale may do no more than that: what it does to stock and books, the business does
    order = await _order_of(books.db, input, ctx.now)
    number = await books.db.next_number(NUMBERS)
    await move_stock(books, [Move(one.product, -one.line.quantity, f"Sale {number}") for one in order.items if one.product.track_stock])
    row = await ctx.db.insert(sale_row(order, number=number, user_id=ctx.scope.user_id, now=ctx.now))
    items = await ctx.db.insert_all(item_rows(order, row))
    if row.payment_status == "PAID":
        await _enter(books, row, items)
    return Sale.of(row)


async def enter_paid_sale(ctx: MutationContext, sale: tables.Sale) -> tables.Sale:
    """Enters a sale whose money was waited for and has come into the ledger, and counts it in the sums: on its own day. Internal."""
    items = await ctx.db.scan(tables.SaleItem, "by_sale", (sale.id,), first=MOST_ITEMS)
    await _enter(ctx, sale, items)
    return await ctx.db.update(sale, payment_status="PAID", paid_at=ctx.now)


async def _order_of(db: Writer, input: RecordSaleInput, now: datetime) -> Order:
    """What an input orders. Raises for a product that is not there or not for sale, and for amounts that cannot be, naming each."""
    ids = [id_of(tables.Product, item.product_id, f"input.items.{position}.productId") for position, item in enumerate(input.items)]
    if input.awaits_payment and input.payment_method is not PaymentMethod.ONLINE:
        raise InvalidInputError.of("input.awaitsPayment", "goes with the payment method ONLINE alone")
    settings = await settings_for_amounts(db)
    sold_at = check_moment(input.sold_at or now, now, settings.time_zone, "input.soldAt")
    products = await db.get_all(tables.Product, ids)
    items = [_line(products, settings, item, f"input.items.{position}") for position, item in enumerate(input.items)]
    discount = _minor(input.discount, settings, "input.discount")
    return Order(
        settings,
        items,
        price_sale([one.line for one in items], discount, prices_include_tax=settings.prices_include_tax),
        cast("Method", input.payment_method.value),
        sold_at,
        input.customer_name,
        input.customer_email,
        input.note,
        input.awaits_payment,
    )


def _line(products: Mapping[str, tables.Product], settings: tables.Settings, item: SaleItemInput, path: str) -> Ordered:
    product = products.get(item.product_id)
    if product is None:
        raise NotFoundError(f"{path}.productId: there is no such product.")
    if product.archived:
        raise ConflictError(f"“{product.name}” is archived, and not for sale.")
    price = product.price_minor if item.unit_price is None else _minor(item.unit_price, settings, f"{path}.unitPrice")
    rate = settings.tax_rate_ppm if product.tax_rate_ppm is None else product.tax_rate_ppm
    return Ordered(product, Line(item.quantity, price, rate, _minor(item.discount, settings, f"{path}.discount")))


def _minor(amount: Decimal | None, settings: tables.Settings, path: str) -> int:
    return 0 if amount is None else to_minor(amount, settings.currency, path)


async def _enter(ctx: MutationContext, sale: tables.Sale, items: Sequence[tables.SaleItem]) -> None:
    """Enters a new sale into the ledger, and counts it in the sums."""
    await ledger.post(
        ctx,
        kind="SALE",
        currency=sale.currency,
        amount_minor=sale.total_minor,
        description=f"Sale {sale.number}",
        occurred_at=sale.sold_at,
        occurred_on=sale.sold_on,
        source_id=sale.id,
    )
    tallies = Tallies()
    tallies.sale(sale, items)
    await tallies.keep(ctx.db)
