"""Checks of arguments that many functions take."""

import pytest

from datastore import schema as tables
from datastore.errors import InvalidInputError
from resolvers.arguments import id_of


def test_an_id_of_the_asked_kind_is_given_back() -> None:
    id = tables.Product.new_id()
    assert id_of(tables.Product, id, "id") == id


ID = "prd_01J9ZZZZZZ0000000000000000"


@pytest.mark.parametrize("value", ["", "prd_", "prd", "usr" + ID[3:], ID.lower(), ID + " ", "prd_" + "Z" * 26, "prd_" + "0" * 10_000, "\0"])
def test_any_other_text_is_refused_by_the_name_of_its_argument(value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        id_of(tables.Product, value, "input.productId")
    [problem] = caught.value.fields
    assert problem.path == "input.productId"
    assert "product" in problem.message
