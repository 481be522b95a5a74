"""The business: one file a module, made of the kinds of function that `functions.py` defines.

`MODULES` are those whose marked functions make up the schema; `SCALARS` are the API's own scalars.
"""

from resolvers import (
    api_keys,
    audit_trail,
    auth,
    dashboard,
    engine,
    expense_categories,
    expenses,
    folders,
    jobs,
    nodes,
    product_categories,
    products,
    recurring_expenses,
    refunds,
    sales,
    settings,
    transactions,
    users,
)
from resolvers.scalars import SCALARS

MODULES = (
    nodes,
    auth,
    users,
    settings,
    api_keys,
    audit_trail,
    product_categories,
    products,
    sales,
    refunds,
    expense_categories,
    expenses,
    recurring_expenses,
    transactions,
    dashboard,
    folders,
    jobs,
    engine,
)

__all__ = ["MODULES", "SCALARS"]
