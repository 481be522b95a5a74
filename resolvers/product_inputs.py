"""What is sent to make or change a product."""

import strawberry
from pydantic import BaseModel, Field

from resolvers.money import Price, TaxRate
from resolvers.scalars import Count, Quantity
from resolvers.text import Code, Description, Name, ShortText

NAME = "What it is called, 1 to 200 characters."
DESCRIPTION = "What there is to say of it, up to 5,000 characters."
SKU = "Your own code for it, up to 64 characters; no two products have the same."
BARCODE = "The code printed on it, up to 64 characters."
CATEGORY = "The id of the category that it is listed under."
IMAGE = "The id of a file that is a picture of it: JPEG, PNG, WebP or GIF."
PRICE = "What one is sold for, in the currency of the settings; not negative."
COST = "What one costs you; not negative."
TAX_RATE = "The rate of tax in its price, in percent; null: the rate of the settings."
TRACK_STOCK = "Whether its stock is watched: then it cannot be taken below zero."
THRESHOLD = "The stock at which it is low."


@strawberry.pydantic.input(description="A new product.")
class CreateProductInput(BaseModel):
    """A new product."""

    name: Name = Field(description=NAME)
    description: Description = Field(default="", description=DESCRIPTION)
    sku: Code | None = Field(default=None, description=SKU)
    barcode: Code | None = Field(default=None, description=BARCODE)
    category_id: strawberry.ID | None = Field(default=None, description=CATEGORY)
    image_id: strawberry.ID | None = Field(default=None, description=IMAGE)
    price: Price = Field(description=PRICE)
    cost: Price | None = Field(default=None, description=COST)
    tax_rate: TaxRate | None = Field(default=None, description=TAX_RATE)
    track_stock: bool = Field(default=True, description=TRACK_STOCK)
    stock: Count = Field(default=Quantity(0), description="How many are there now; recorded as the first stock movement.")
    low_stock_threshold: Count | None = Field(default=None, description=f"{THRESHOLD} Left out: that of the settings.")


@strawberry.pydantic.input(description="What to change of a product; what is left out stays. Its stock is changed by `adjustStock`.")
class UpdateProductInput(BaseModel):
    """Changes of a product."""

    id: strawberry.ID = Field(description="The product to change.")
    name: strawberry.Maybe[Name] = Field(default=None, description=NAME)
    description: strawberry.Maybe[Description] = Field(default=None, description=DESCRIPTION)
    sku: strawberry.Maybe[Code | None] = Field(default=None, description=f"{SKU} Null: none.")
    barcode: strawberry.Maybe[Code | None] = Field(default=None, description=f"{BARCODE} Null: none.")
    category_id: strawberry.Maybe[strawberry.ID | None] = Field(default=None, description=f"{CATEGORY} Null: none.")
    image_id: strawberry.Maybe[strawberry.ID | None] = Field(default=None, description=f"{IMAGE} Null: none.")
    price: strawberry.Maybe[Price] = Field(default=None, description=PRICE)
    cost: strawberry.Maybe[Price | None] = Field(default=None, description=f"{COST} Null: not known.")
    tax_rate: strawberry.Maybe[TaxRate | None] = Field(default=None, description=TAX_RATE)
    track_stock: strawberry.Maybe[bool] = Field(default=None, description=TRACK_STOCK)
    low_stock_threshold: strawberry.Maybe[Count] = Field(default=None, description=THRESHOLD)


@strawberry.pydantic.input(description="A change of a product's stock.")
class AdjustStockInput(BaseModel):
    """A change of stock."""

    product_id: strawberry.ID = Field(description="The product.")
    delta: Quantity = Field(description="How many come, or, negative, how many go; not zero.")
    reason: ShortText = Field(default="", description="Why, up to 200 characters.")
