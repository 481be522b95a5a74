"""The business: one file a module, made of the kinds of function that `functions.py` defines.

`MODULES` are those whose marked functions make up the schema; `SCALARS` are the API's own scalars.
"""

from resolvers import auth, engine, nodes, product_categories, products, settings, users
from resolvers.scalars import SCALARS

MODULES = (nodes, auth, users, settings, product_categories, products, engine)

__all__ = ["MODULES", "SCALARS"]
