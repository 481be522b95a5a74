"""What is sent to record or change an expense, or one that recurs."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore.errors import InvalidInputError
from resolvers.money import Money, Price, to_minor
from resolvers.text import Description, ShortText

AMOUNT = "What was spent, tax included, in the currency of the settings; more than zero."
TAX = "The tax in the amount; not negative, and not more than the amount."
VENDOR = "Who was paid, up to 200 characters."
CATEGORY = "The id of the expense category that it is booked under."
NOTE = "What there is to say of it, up to 5,000 characters."
RECEIPTS = "The ids of the files that are its receipts, at most 20: pictures, PDF, XML, text. As long as they are, they cannot be deleted."
INCURRED_ON = "The day that it counts for, from the year 2000 to a year from today."
ENDS_ON = "The last day that it may be booked for; null: it goes on."


@strawberry.enum(description="How often something recurs.")
class Interval(Enum):
    """The time from one to the next."""

    WEEKLY = strawberry.enum_value("WEEKLY", description="Every week.")
    MONTHLY = strawberry.enum_value("MONTHLY", description="Every month; a month that has no such day takes its last.")
    QUARTERLY = strawberry.enum_value("QUARTERLY", description="Every three months; likewise.")
    YEARLY = strawberry.enum_value("YEARLY", description="Every year; the 29th of February is the 28th in other years.")


def _positive(amount: Money) -> Money:
    if amount <= 0:
        raise ValueError("must be more than zero")
    return amount


Spent = Annotated[Money, AfterValidator(_positive)]
"""An amount that is more than zero."""


@strawberry.pydantic.input(description="Money spent.")
class RecordExpenseInput(BaseModel):
    """A new expense."""

    amount: Spent = Field(description=AMOUNT)
    tax: Price = Field(default=Money(Decimal(0)), description=TAX)
    vendor: ShortText = Field(default="", description=VENDOR)
    category_id: strawberry.ID | None = Field(default=None, description=CATEGORY)
    note: Description = Field(default="", description=NOTE)
    receipt_ids: list[strawberry.ID] = Field(default_factory=list, description=RECEIPTS)
    incurred_on: date | None = Field(default=None, description=f"{INCURRED_ON} Today, where it is left out.")


@strawberry.pydantic.input(description="What to change of an expense; what is left out stays.")
class UpdateExpenseInput(BaseModel):
    """Changes of an expense."""

    id: strawberry.ID = Field(description="The expense to change.")
    amount: strawberry.Maybe[Spent] = Field(default=None, description=AMOUNT)
    tax: strawberry.Maybe[Price] = Field(default=None, description=TAX)
    vendor: strawberry.Maybe[ShortText] = Field(default=None, description=VENDOR)
    category_id: strawberry.Maybe[strawberry.ID | None] = Field(default=None, description=f"{CATEGORY} Null: none.")
    note: strawberry.Maybe[Description] = Field(default=None, description=NOTE)
    incurred_on: strawberry.Maybe[date] = Field(default=None, description=INCURRED_ON)
    receipt_ids: strawberry.Maybe[list[strawberry.ID]] = Field(default=None, description=f"{RECEIPTS} Instead of those that it has.")


@strawberry.pydantic.input(description="An expense that is booked again and again. What is due already is booked at once.")
class CreateRecurringExpenseInput(BaseModel):
    """A new recurring expense."""

    amount: Spent = Field(description=AMOUNT)
    tax: Price = Field(default=Money(Decimal(0)), description=TAX)
    vendor: ShortText = Field(default="", description=VENDOR)
    category_id: strawberry.ID | None = Field(default=None, description=CATEGORY)
    note: Description = Field(default="", description=NOTE)
    interval: Interval = Field(description="How often it is booked.")
    starts_on: date | None = Field(
        default=None,
        description="The first day that it is booked for, from the year 2000 to a year from today; today, where it is left out.",
    )
    ends_on: date | None = Field(default=None, description=ENDS_ON)


@strawberry.pydantic.input(
    description="What to change of a recurring expense from its next booking on; what is left out stays. "
    "Its days do not change: to have it on others, end it and make another."
)
class UpdateRecurringExpenseInput(BaseModel):
    """Changes of a recurring expense."""

    id: strawberry.ID = Field(description="The recurring expense to change.")
    amount: strawberry.Maybe[Spent] = Field(default=None, description=AMOUNT)
    tax: strawberry.Maybe[Price] = Field(default=None, description=TAX)
    vendor: strawberry.Maybe[ShortText] = Field(default=None, description=VENDOR)
    category_id: strawberry.Maybe[strawberry.ID | None] = Field(default=None, description=f"{CATEGORY} Null: none.")
    note: strawberry.Maybe[Description] = Field(default=None, description=NOTE)
    ends_on: strawberry.Maybe[date | None] = Field(
        default=None, description=f"{ENDS_ON} Not before the last day that it was booked for; in the past, it ends at once."
    )


def amounts_in_minor(changes: dict[str, Any], currency: str) -> dict[str, Any]:
    """The same columns, with amount and tax in minor units. Raises InvalidInputError naming one that does not fit the currency."""
    columns = dict(changes)
    for column in columns.keys() & {"amount", "tax"}:
        columns[f"{column}_minor"] = to_minor(columns.pop(column), currency, f"input.{column}")
    return columns


def check_tax(amount_minor: int, tax_minor: int, path: str) -> None:
    """Raises InvalidInputError at `path` where the tax is more than the amount that it is a part of."""
    if tax_minor > amount_minor:
        raise InvalidInputError.of(path, "the tax must not be more than the amount")
