"""What is sent to make or change a product, checked before anything is read."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from resolvers.money import Money
from resolvers.product_inputs import AdjustStockInput, CreateProductInput, UpdateProductInput
from resolvers.scalars import Quantity


def new_product(**values: Any) -> CreateProductInput:
    return CreateProductInput.model_validate({"name": "Tea", "price": Money(Decimal("1.00"))} | values)


def test_texts_are_trimmed_and_composed() -> None:
    made = new_product(name="  Cafe\u0301 ", sku=" T-1 ")
    assert made.name == "Café"
    assert made.sku == "T-1"


@pytest.mark.parametrize(
    "values",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\0b"},
        {"description": "x" * 5001},
        {"sku": "x" * 65},
        {"stock": Quantity(-1)},
        {"low_stock_threshold": Quantity(-1)},
        {"price": Money(Decimal("-0.01"))},
    ],
)
def test_what_makes_no_product_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        new_product(**values)


def test_a_change_tells_what_was_left_out_from_what_was_emptied() -> None:
    change = UpdateProductInput.model_validate({"id": "prd", "sku": None, "name": "Tea"})
    assert change.model_dump(exclude_unset=True, exclude={"id"}) == {"sku": None, "name": "Tea"}


def test_a_reason_is_optional_and_short() -> None:
    assert AdjustStockInput.model_validate({"product_id": "prd", "delta": 1}).reason == ""
    with pytest.raises(ValidationError):
        AdjustStockInput.model_validate({"product_id": "prd", "delta": 1, "reason": "x" * 201})
