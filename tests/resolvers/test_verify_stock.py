"""What is in the shelves is what came and went: each figure that is wrong is named."""

import pytest

from datastore.schema import Inventory, Product, ProductCategory, StockMovement
from resolvers.services import Services
from tests.resolvers.broken_books import Break, assert_named, off_by_one, plus

pytestmark = pytest.mark.slow

IN_STOCK = {"stock": {"$gt": 0}}
BREAKS = [
    off_by_one(Product, "stock", "its movements make", IN_STOCK),
    Break(
        "a movement that counts double",
        StockMovement,
        plus("delta", 7),
        r"^product {product_id}: stock is \d+, but its movements make \d+$",
    ),
    Break("a movement that is gone", StockMovement, None, r"^product {product_id}: stock is \d+, but its movements make -?\d+$"),
    Break(
        "a movement that tells another stock",
        StockMovement,
        plus("stock_after", 1000),
        "^product {product_id}: a movement has {new_stock_after} as its stock_after, but none goes on from there$",
    ),
    Break(
        "a stock that no movement led to",
        StockMovement,
        plus("stock_after", 1000),
        "^product {product_id}: a movement goes on from a stock of {stock_after}, but none has that as its stock_after$",
    ),
    off_by_one(ProductCategory, "product_count", "its products are"),
    off_by_one(Inventory, "units", "its products make", row="inventory of account {account_id}"),
    off_by_one(Inventory, "value_minor", "its products make", row="inventory of account {account_id}"),
    Break("an inventory that is gone", Inventory, None, "^inventory of account {account_id}: units is 0, but its products make {units}$"),
    Break(
        "a product in another category",
        Product,
        {"category_id": None},
        r"^product category {category_id}: product_count is (\d+), but its products are (?!\1)\d+$",
        {"category_id": {"$ne": None}},
    ),
    Break(
        "a product whose cost is not counted",
        Product,
        plus("cost_minor", 100),
        r"^inventory of account {account_id}: value_minor is \d+, but its products make \d+$",
        IN_STOCK,
    ),
    Break("a foreign currency", Product, {"currency": "USD"}, "^product {id}: currency is USD, but its account's is {currency}$"),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_figure_of_the_stock_that_is_wrong_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)
