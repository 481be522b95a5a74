"""What is sent to record a sale, and to give money back for one."""

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeVar

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from resolvers.money import Price
from resolvers.scalars import Pieces
from resolvers.text import Description, Email, Name, ShortText

Item = TypeVar("Item", bound=BaseModel)

MOST_ITEMS = 200
"""Of one sale, so that its transaction ends within a moment and its items can be shown as a plain list."""

QUANTITY = "How many, at least 1."
ITEM_DISCOUNT = "What is taken off for all pieces of this line together; at most what they cost."
SALE_DISCOUNT = "What is taken off the whole, spread over the items in proportion to what they cost; at most that."
SOLD_AT = "When it was sold, from 2000 on and not in the future; left out: now."
AWAITS_PAYMENT = "Whether the money is still to come, by `createPayment`; then it is paid ONLINE, and counts once it is paid."


@strawberry.enum(description="How a customer paid.")
class PaymentMethod(Enum):
    """The ways to pay."""

    CASH = strawberry.enum_value("CASH", description="In notes and coins.")
    CARD = strawberry.enum_value("CARD", description="By card, at the till.")
    BANK_TRANSFER = strawberry.enum_value("BANK_TRANSFER", description="By a transfer to the business's account.")
    ONLINE = strawberry.enum_value("ONLINE", description="Through an online payment.")
    OTHER = strawberry.enum_value("OTHER", description="In some other way, such as a voucher.")


def _some(items: list[Item]) -> list[Item]:
    if not 1 <= len(items) <= MOST_ITEMS:
        raise ValueError(f"must be 1 to {MOST_ITEMS} items")
    return items


@strawberry.pydantic.input(description="One line of a new sale.")
class SaleItemInput(BaseModel):
    """A line of a new sale."""

    product_id: strawberry.ID = Field(description="The product; not an archived one.")
    quantity: Pieces = Field(description=QUANTITY)
    unit_price: Price | None = Field(default=None, description="What one is sold for; left out: the product's price.")
    discount: Price | None = Field(default=None, description=ITEM_DISCOUNT)


@strawberry.pydantic.input(description="A new sale.")
class RecordSaleInput(BaseModel):
    """A new sale."""

    items: Annotated[list[SaleItemInput], AfterValidator(_some)] = Field(
        description=f"What is sold: 1 to {MOST_ITEMS} items. A product may be among them more than once."
    )
    discount: Price | None = Field(default=None, description=SALE_DISCOUNT)
    payment_method: PaymentMethod = Field(description="How it is paid.")
    customer_name: Name | None = Field(default=None, description="Who buys, up to 200 characters.")
    customer_email: Email | None = Field(default=None, description="The customer's e-mail address, for the receipt.")
    note: Description = Field(default="", description="What there is to say of it, up to 5,000 characters.")
    sold_at: datetime | None = Field(default=None, description=SOLD_AT)
    awaits_payment: bool = Field(default=False, description=AWAITS_PAYMENT)


@strawberry.pydantic.input(description="A part of one item of a sale that is given back.")
class RefundItemInput(BaseModel):
    """A part of a line."""

    item_id: strawberry.ID = Field(description="The item of the sale.")
    quantity: Pieces = Field(description=f"{QUANTITY} Not more than are left of it.")


@strawberry.pydantic.input(description="Money to give back for a sale.")
class RefundSaleInput(BaseModel):
    """A refund."""

    sale_id: strawberry.ID = Field(description="The sale.")
    items: Annotated[list[RefundItemInput], AfterValidator(_some)] | None = Field(
        default=None, description="What is given back, each item once; left out: all that is left."
    )
    reason: ShortText = Field(default="", description="Why, up to 200 characters.")
    restock: bool = Field(default=True, description="Whether the goods go back on the shelf: their stock then grows again.")
