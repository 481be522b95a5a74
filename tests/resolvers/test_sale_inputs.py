from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from resolvers.sale_inputs import MOST_ITEMS, RecordSaleInput, RefundSaleInput

ITEM = {"product_id": "prd_1", "quantity": 1}
PART = {"item_id": "sli_1", "quantity": 1}


def test_a_sale_needs_items_and_a_way_to_pay_only() -> None:
    made = RecordSaleInput.model_validate({"items": [ITEM], "payment_method": "CASH"})
    assert (made.discount, made.customer_name, made.note, made.sold_at) == (None, None, "", None)
    assert (made.items[0].unit_price, made.items[0].discount) == (None, None)


def test_a_refund_puts_everything_back_where_nothing_else_is_said() -> None:
    made = RefundSaleInput.model_validate({"sale_id": "sal_1"})
    assert (made.items, made.reason, made.restock) == (None, "", True)


@pytest.mark.parametrize("count", [0, MOST_ITEMS + 1])
def test_a_sale_or_refund_has_some_items_but_not_too_many(count: int) -> None:
    kinds: list[tuple[type[BaseModel], dict[str, Any], list[Any]]] = [
        (RecordSaleInput, {"payment_method": "CASH"}, [ITEM]),
        (RefundSaleInput, {"sale_id": "sal_1"}, [PART]),
    ]
    for kind, values, items in kinds:
        with pytest.raises(ValidationError, match="must be 1 to 200 items"):
            kind.model_validate(values | {"items": items * count})
        kind.model_validate(values | {"items": items * MOST_ITEMS})


@pytest.mark.parametrize("quantity", [0, -1])
def test_nothing_or_less_is_no_quantity(quantity: int) -> None:
    with pytest.raises(ValidationError, match="must be at least 1"):
        RecordSaleInput.model_validate({"payment_method": "CASH", "items": [ITEM | {"quantity": quantity}]})
