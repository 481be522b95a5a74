"""A small shop, made through the public API."""

from typing import Any

from tests.gql.api import Api, Person

CATEGORY = "id name description position productCount createdAt updatedAt"
PRODUCT = """
id createdAt updatedAt name description sku barcode currency price cost taxRate trackStock stock lowStockThreshold lowStock archived
category { id }
"""
CREATE_CATEGORY = f"mutation ($input: CreateProductCategoryInput!) {{ createProductCategory(input: $input) {{ {CATEGORY} }} }}"
CREATE_PRODUCT = f"mutation ($input: CreateProductInput!) {{ createProduct(input: $input) {{ {PRODUCT} }} }}"
UPDATE_PRODUCT = f"mutation ($input: UpdateProductInput!) {{ updateProduct(input: $input) {{ {PRODUCT} }} }}"
ADJUST_STOCK = "mutation ($input: AdjustStockInput!) { adjustStock(input: $input) { id stock lowStock } }"

Values = dict[str, Any]


async def make_category(api: Api, owner: Person, name: str = "Tea", **values: Any) -> Values:
    """A new product category."""
    data = await api.data(CREATE_CATEGORY, {"input": {"name": name, **values}}, caller=owner)
    made: Values = data["createProductCategory"]
    return made


async def make_product(api: Api, owner: Person, name: str = "Assam", price: str = "4.50", **values: Any) -> Values:
    """A new product."""
    data = await api.data(CREATE_PRODUCT, {"input": {"name": name, "price": price, **values}}, caller=owner)
    made: Values = data["createProduct"]
    return made


async def adjust(api: Api, owner: Person, product_id: str, delta: int, reason: str = "") -> Values:
    """A change of stock."""
    data = await api.data(ADJUST_STOCK, {"input": {"productId": product_id, "delta": delta, "reason": reason}}, caller=owner)
    adjusted: Values = data["adjustStock"]
    return adjusted


async def product_of(api: Api, owner: Person, id: str) -> Values | None:
    """A product as it is now."""
    data = await api.data(f"query ($id: ID!) {{ product(id: $id) {{ {PRODUCT} }} }}", {"id": id}, caller=owner)
    found: Values | None = data["product"]
    return found


async def names(api: Api, owner: Person, arguments: str) -> list[str]:
    """The names of the products that a list with these arguments shows."""
    data = await api.data(f"{{ products({arguments}) {{ nodes {{ name }} }} }}", caller=owner)
    return [node["name"] for node in data["products"]["nodes"]]


def problems(response: dict[str, Any]) -> list[str]:
    """The paths that the one INVALID_INPUT error of a response names."""
    [error] = response["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT", response
    return [problem["path"] for problem in error["extensions"]["fields"]]
