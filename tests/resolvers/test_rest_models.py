import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from datastore.scope import Scope
from resolvers.product_inputs import AdjustStockInput, CreateProductInput
from resolvers.products import Product
from resolvers.rest_models import Paging, ProductView, json_input, view_of
from resolvers.sale_inputs import RecordSaleInput
from tests.datastore.samples import product

SALE: dict[str, Any] = {"items": [{"productId": "x", "quantity": 1, "unitPrice": "1.50"}], "paymentMethod": "CASH"}


def wrong(model: type[BaseModel], values: dict[str, Any]) -> list[str]:
    """The paths of what a model refuses."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(values), strict=True)
    return [".".join(map(str, error["loc"])) for error in refused.value.errors()]


def test_an_input_is_taken_as_json_and_is_the_very_input_that_graphql_has() -> None:
    made = json_input(RecordSaleInput).model_validate(SALE | {"soldAt": datetime(2026, 1, 1, tzinfo=UTC)})
    assert isinstance(made, RecordSaleInput)
    assert made.items[0].unit_price == Decimal("1.50")
    assert made.customer_name is None
    assert json_input(RecordSaleInput) is json_input(RecordSaleInput)


@pytest.mark.parametrize("model", [RecordSaleInput, AdjustStockInput, CreateProductInput])
def test_no_field_of_an_input_is_missing_and_all_are_described(model: type[BaseModel]) -> None:
    schema = json_input(model).model_json_schema()
    assert len(schema["properties"]) == len(model.model_fields)
    assert all("description" in field for field in schema["properties"].values())
    assert schema["additionalProperties"] is False


def test_nested_inputs_are_as_strict_as_the_whole() -> None:
    model = json_input(RecordSaleInput)
    assert wrong(model, SALE | {"items": [{"product_id": "x", "quantity": "1", "size": 1}]}) == [
        "items.0.productId",
        "items.0.quantity",
        "items.0.product_id",
        "items.0.size",
    ]
    assert wrong(model, SALE | {"soldAt": "2026-01-01T00:00:00", "total": "1"}) == ["soldAt", "total"]
    assert wrong(json_input(AdjustStockInput), {"productId": "x", "delta": 10**12 + 1}) == ["delta"]


def test_a_view_has_amounts_as_texts_and_times_in_milliseconds(scope: Scope) -> None:
    row = product(scope, tax_rate_ppm=100_000)
    shown = view_of(ProductView, Product.of(row), category_id=None).model_dump(mode="json", by_alias=True)
    assert shown | {"price": "2.50", "cost": None, "taxRate": "10", "createdAt": "2026-11-23T12:00:00.000Z", "lowStock": False} == shown


def test_a_page_is_not_longer_than_graphqls() -> None:
    for limit in (0, 101):
        with pytest.raises(ValidationError):
            Paging(limit=limit)
