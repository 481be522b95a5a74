"""What an account chose once for everything."""

from typing import Annotated, Any, Self

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.audit import differences, record
from resolvers.file_references import AnyFile, shown_file, usable_picture
from resolvers.functions import MutationContext, QueryContext, field, mutation, query, shows
from resolvers.money import CurrencyCode, Percentage, TaxRate, from_ppm, to_ppm
from resolvers.nodes import Node, node_type
from resolvers.scalars import Count, Quantity
from resolvers.summary_plans import plan_summaries
from resolvers.text import Description, LocaleTag, Name, TimeZoneName

CURRENCY = "The ISO 4217 code of the currency that all amounts are in."
TIME_ZONE = "The IANA name of the time zone whose days are the business's days."
LOCALE = "The BCP 47 language tag of what is written to customers."
TAX_RATE = "The rate of tax, in percent, of products that have none of their own."
PRICES_INCLUDE_TAX = "Whether prices include the tax, as in shops, or it comes on top. Sales that are recorded keep what was then."
LOW_STOCK_THRESHOLD = "The stock at which a product is low, for products that are made without a threshold of their own."
RECEIPT_FOOTER = "What stands below every receipt, up to 5,000 characters."
DAILY_SUMMARY_EMAIL = "Whether the owners are sent an e-mail in the morning about the day before."
LOGO = "The id of a file that is the logo of the business, for receipts: JPEG, PNG, WebP or GIF. Null: none."
LOW_STOCK_EMAIL = "Whether the owners are sent an e-mail when the stock of a product comes down to its threshold."


@node_type(tables.Settings)
@strawberry.type(description="What a business chose once for everything.")
class Settings(Node):
    """The settings of the caller's account."""

    row: strawberry.Private[tables.Settings]
    business_name: str = strawberry.field(description="The name that customers know the business by.")
    currency: str = strawberry.field(description=CURRENCY)
    currency_fixed: bool = strawberry.field(description="Whether amounts are stored already, so that the currency can no longer change.")
    time_zone: str = strawberry.field(description=TIME_ZONE)
    locale: str = strawberry.field(description=LOCALE)
    tax_rate: Percentage = strawberry.field(description=TAX_RATE, metadata=shows("tax_rate_ppm"))
    prices_include_tax: bool = strawberry.field(description=PRICES_INCLUDE_TAX)
    low_stock_threshold: Quantity = strawberry.field(description=LOW_STOCK_THRESHOLD)
    receipt_footer: str = strawberry.field(description=RECEIPT_FOOTER)
    daily_summary_email: bool = strawberry.field(description=DAILY_SUMMARY_EMAIL)
    low_stock_email: bool = strawberry.field(description=LOW_STOCK_EMAIL)

    @classmethod
    def of(cls, row: tables.Settings) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            business_name=row.business_name,
            currency=row.currency,
            currency_fixed=row.currency_fixed,
            time_zone=row.time_zone,
            locale=row.locale,
            tax_rate=from_ppm(row.tax_rate_ppm),
            prices_include_tax=row.prices_include_tax,
            low_stock_threshold=Quantity(row.low_stock_threshold),
            receipt_footer=row.receipt_footer,
            daily_summary_email=row.daily_summary_email,
            low_stock_email=row.low_stock_email,
        )

    @field(columns=["logo_id"])
    async def logo(self, ctx: QueryContext) -> AnyFile | None:
        """The logo of the business; null where it has none, and while that is in the bin."""
        return await shown_file(ctx.db, self.row.logo_id)


@strawberry.pydantic.input(description="The settings to change; what is left out stays.")
class UpdateSettingsInput(BaseModel):
    """Changes of settings."""

    business_name: strawberry.Maybe[Name] = Field(default=None, description="The name that customers know the business by.")
    currency: strawberry.Maybe[CurrencyCode] = Field(default=None, description=f"{CURRENCY} Fixed once an amount is stored.")
    time_zone: strawberry.Maybe[TimeZoneName] = Field(default=None, description=TIME_ZONE)
    locale: strawberry.Maybe[LocaleTag] = Field(default=None, description=LOCALE)
    tax_rate: strawberry.Maybe[TaxRate] = Field(default=None, description=TAX_RATE)
    prices_include_tax: strawberry.Maybe[bool] = Field(default=None, description=PRICES_INCLUDE_TAX)
    low_stock_threshold: strawberry.Maybe[Count] = Field(default=None, description=LOW_STOCK_THRESHOLD)
    receipt_footer: strawberry.Maybe[Description] = Field(default=None, description=RECEIPT_FOOTER)
    daily_summary_email: strawberry.Maybe[bool] = Field(default=None, description=DAILY_SUMMARY_EMAIL)
    low_stock_email: strawberry.Maybe[bool] = Field(default=None, description=LOW_STOCK_EMAIL)
    logo_id: strawberry.Maybe[strawberry.ID | None] = Field(default=None, description=LOGO)


@query
async def settings(ctx: QueryContext) -> Settings:
    """The settings of your business."""
    return Settings.of(await settings_row(ctx.db.shown))


@mutation
async def update_settings(
    ctx: MutationContext, input: Annotated[UpdateSettingsInput, strawberry.argument(description="The settings to change.")]
) -> Settings:
    """Changes settings. CONFLICT where the currency would change though amounts are stored."""
    row = await settings_row(ctx.db)
    changes: dict[str, Any] = input.model_dump(exclude_unset=True)
    if "tax_rate" in changes:
        changes["tax_rate_ppm"] = to_ppm(changes.pop("tax_rate"))
    # Safe against a first amount stored at the same time: that writes this row too, so one of the two transactions runs again.
    if row.currency_fixed and changes.get("currency", row.currency) != row.currency:
        raise ConflictError(f"The currency is fixed at {row.currency}: amounts are stored in it.")
    if "logo_id" in changes:
        changes["logo_id"] = await usable_picture(ctx.db, changes["logo_id"], "input.logoId")
    if changed := differences(row, changes):
        await record(ctx.db, "SETTINGS_CHANGED", subject=row.id, detail=changed)
    row = await ctx.db.update(row, **changes)
    if changes.keys() & {"daily_summary_email", "time_zone"}:
        await plan_summaries(ctx, row)
    return Settings.of(row)


async def settings_row(db: Reader | Writer) -> tables.Settings:
    """The one row of settings that every account has."""
    row = await db.find(tables.Settings, "by_account")
    if row is None:
        raise NotFoundError("There is no such settings.")
    return row


async def settings_for_amounts(db: Writer) -> tables.Settings:
    """The settings that an amount is stored by: their currency is fixed from then on."""
    row = await settings_row(db)
    return row if row.currency_fixed else await db.for_business.update(row, currency_fixed=True)


async def currency_of_amounts(db: Writer) -> str:
    """The currency to store an amount in, which is fixed from then on."""
    return (await settings_for_amounts(db)).currency
