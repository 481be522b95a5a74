"""The business: one file a module, made of the kinds of function that `functions.py` defines.

`MODULES` are those whose marked functions make up the schema; `SCALARS` are the API's own scalars. `WORK` are the modules of actions and
crons that no other module imports: to name them here is to make what they mark known to workers.
"""

from resolvers import (
    api_keys,
    audit_trail,
    auth,
    bookings,
    dashboard,
    engine,
    expense_categories,
    expenses,
    file_bin,
    files,
    folders,
    invitations,
    jobs,
    members,
    memberships,
    nodes,
    product_categories,
    products,
    profile,
    receipts,
    recurring_expenses,
    refunds,
    sales,
    settings,
    statements,
    summary_mail,
    sweeping,
    transactions,
    transfers,
    uploads,
    users,
    webhook_deliveries,
    webhook_endpoints,
)
from resolvers.scalars import SCALARS

MODULES = (
    nodes,
    auth,
    users,
    profile,
    memberships,
    members,
    invitations,
    settings,
    api_keys,
    audit_trail,
    product_categories,
    products,
    sales,
    refunds,
    receipts,
    expense_categories,
    expenses,
    recurring_expenses,
    transactions,
    transfers,
    statements,
    dashboard,
    folders,
    files,
    file_bin,
    uploads,
    jobs,
    webhook_endpoints,
    webhook_deliveries,
    engine,
)

WORK = (bookings, summary_mail, sweeping)

__all__ = ["MODULES", "SCALARS", "WORK"]
