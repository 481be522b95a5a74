"""What rows are found and ordered by is what their other columns make: each that is not is named."""

import pytest

from datastore.schema import Expense, ExpenseCategory, File, Folder, LedgerEntry, Payment, Product, ProductCategory, Sale
from resolvers.services import Services
from resolvers.verify_columns import computing_tables
from tests.resolvers.broken_books import Break, assert_named

SEARCHED = (Product, Sale, Expense, LedgerEntry, File)
BREAKS = [
    *(
        Break(
            f"words that are not those of a {table.spec.noun}",
            table,
            lambda before: {"search_keys": [*before["search_keys"][1:], "\U0001d11e"]},
            f"^{table.spec.noun} {{id}}: search_keys is not what its other columns make: it lacks .'.+'. and has .'\U0001d11e'.$",
            {"search_keys": {"$ne": []}},
        )
        for table in SEARCHED
    ),
    *(
        Break(
            f"another order of a {table.spec.noun}",
            table,
            {"name_key": "zzz"},
            f"^{table.spec.noun} {{id}}: name_key is zzz, but its other columns make {{name_key}}$",
        )
        for table in (Product, ProductCategory, ExpenseCategory, Folder, File)
    ),
    Break(
        "a payment that gives itself out for the one that counts",
        Payment,
        {"active_sale_id": "sal_other"},
        "^payment {id}: active_sale_id is sal_other, but its other columns make {active_sale_id}$",
    ),
    Break(
        "a product that is low in stock and does not say so",
        Product,
        lambda before: {"low_stock": not before["low_stock"]},
        "^product {id}: low_stock is {new_low_stock}, but its other columns make {low_stock}$",
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_column_that_is_not_what_the_others_make_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)


def test_every_table_that_computes_columns_is_tried() -> None:
    assert {one.table for one in BREAKS} == set(computing_tables())
