"""What the REST API takes and gives, as models: JSON in camelCase, amounts as decimal strings, unknown names refused.

What is sent to make something is GraphQL's own input, so that a field that is added there is there too; `json_input` only makes it strict
about JSON. What is given are views of the API's own types.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cache, reduce
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, create_model
from pydantic.alias_generators import to_camel

from resolvers.scalars import MOST_QUANTITY, Quantity
from resolvers.table_texts import decimal_text, time_text

Model = TypeVar("Model", bound=BaseModel)

IN: Final = ConfigDict(alias_generator=to_camel, extra="forbid")
OUT: Final = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", json_schema_mode_override="serialization")

_DAY: Final = {"type": "string", "format": "date", "examples": ["2026-11-24"]}


def _as_day(value: object) -> object:
    # Pydantic would take a number of seconds, too.
    if isinstance(value, str) and len(value) != len("2026-11-24"):
        raise ValueError('must be a day as ISO 8601 writes it, such as "2026-11-24"')
    return value


Day = Annotated[date, BeforeValidator(_as_day), WithJsonSchema(_DAY)]
Amount = Annotated[
    Decimal,
    PlainSerializer(decimal_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$", "examples": ["12.50"]}),
]
"""Money or a rate, as it is given."""

Moment = Annotated[datetime, PlainSerializer(time_text, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})]
Number = Annotated[Quantity, Field(ge=-MOST_QUANTITY, le=MOST_QUANTITY)]


class Paging(BaseModel):
    """Where in a list to read."""

    model_config = IN

    limit: int = Field(default=20, ge=1, le=100, description="How many rows.")
    cursor: str | None = Field(default=None, description="The `nextCursor` of the page before, of this very list.")


class SaleItemView(BaseModel):
    """One line of a sale: what was sold is kept as it was then."""

    model_config = OUT

    id: str
    product_id: str
    name: str
    sku: str | None
    quantity: int
    unit_price: Amount
    discount: Amount = Field(description="Its own and its share of the sale's.")
    tax_rate: Amount = Field(description="In percent.")
    tax: Amount
    total: Amount
    refunded_quantity: int
    refunded: Amount


class SaleView(BaseModel):
    """Something sold."""

    model_config = OUT

    id: str
    number: int = Field(description="1, 2, 3 … in the business, without a gap.")
    status: str = Field(description="COMPLETED, PARTLY_REFUNDED, REFUNDED or VOIDED.")
    currency: str = Field(description="ISO 4217.")
    prices_include_tax: bool
    subtotal: Amount
    discount: Amount
    tax: Amount
    total: Amount
    refunded: Amount
    payment_method: str
    payment_status: str
    customer_name: str | None
    customer_email: str | None
    note: str
    sold_at: Moment
    sold_on: date = Field(description="The day that it counts for, in the time zone of the business.")
    voided_at: Moment | None
    void_reason: str
    created_at: Moment
    updated_at: Moment
    items: list[SaleItemView]


class SaleList(BaseModel):
    """A page of sales, the newest first."""

    model_config = OUT

    data: list[SaleView]
    next_cursor: str | None = Field(description="Gives the next page, as `cursor`; null on the last. The header `Link` has its address.")


class ProductView(BaseModel):
    """Something the business sells."""

    model_config = OUT

    id: str
    name: str
    description: str
    sku: str | None
    barcode: str | None
    category_id: str | None
    currency: str = Field(description="ISO 4217.")
    price: Amount
    cost: Amount | None
    tax_rate: Amount | None = Field(description="In percent; null: that of the settings.")
    track_stock: bool
    stock: int
    low_stock_threshold: int
    low_stock: bool
    archived: bool
    created_at: Moment
    updated_at: Moment


class ProductList(BaseModel):
    """A page of products."""

    model_config = OUT

    data: list[ProductView]
    next_cursor: str | None = Field(description="Gives the next page, as `cursor`; null on the last. The header `Link` has its address.")


def view_of(model: type[Model], shown: object, **others: Any) -> Model:
    """The view of what GraphQL would show; `others` are the fields that GraphQL reads separately."""
    values = {name: _plain(getattr(shown, name)) for name in model.model_fields if name not in others}
    return model.model_validate(values | others)


@cache
def json_input(model: type[Model]) -> type[Model]:
    """The model of an input, as it is sent in JSON: by the names that GraphQL has, without names it does not know, with times that say
    their offset, and with quantities as large as GraphQL takes them. Validate it strictly.
    """
    fields: dict[str, Any] = {
        name: (_annotated(_in_json(field.annotation), field.metadata), Field(default=field.default, description=field.description))
        for name, field in model.model_fields.items()
    }
    # A model of its own that is configured before its fields are looked at.
    configured = type(model.__name__, (model,), {"model_config": IN, "__module__": __name__})
    return create_model(model.__name__.removesuffix("Input"), __base__=configured, __doc__=model.__doc__, **fields)


def _in_json(kind: Any) -> Any:
    if kind is datetime:
        return AwareDatetime
    if kind is Quantity:
        return Number
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return json_input(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(_in_json(arguments[0]), arguments[1:])
    if origin in {Union, UnionType}:
        return Union[tuple(map(_in_json, arguments))]  # noqa: UP007  made at run time
    return list[_in_json(arguments[0])] if origin is list else kind  # type: ignore[misc]


def _annotated(kind: Any, metadata: Iterable[Any]) -> Any:
    return reduce(lambda made, one: Annotated[made, one], metadata, kind)


def _plain(value: object) -> object:
    """Enumerations by their names in the API."""
    return cast("Any", value).value if hasattr(value, "value") and hasattr(value, "name") else value
