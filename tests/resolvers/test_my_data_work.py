import re

import pytest

from datastore.schema import AuditEvent, ExpenseReceipt, IdempotencyKey, Job, Product, Sale, Session, Settings, User, WebhookEndpoint
from datastore.tables import Row
from resolvers.my_data_work import _SECRETS, business_tables, shown, whole_index
from tests.datastore.samples import user


def test_no_column_that_holds_a_secret_is_handed_out() -> None:
    secret = re.compile("secret(?!_until)|sealed|hash|token")
    handed_out: list[type[Row]] = [User, Session, *business_tables()]
    found = {name for table in handed_out for name in table.model_fields if secret.search(name)}
    assert found
    assert found <= _SECRETS


def test_every_table_that_is_handed_out_has_an_index_that_each_row_is_in_once() -> None:
    handed_out = business_tables()
    assert {Product, Sale, Settings, ExpenseReceipt, WebhookEndpoint, AuditEvent} <= {*handed_out}
    assert not {IdempotencyKey, Job} & {*handed_out}
    assert all(whole_index(table) for table in handed_out)
    assert whole_index(Product) != "by_sku"


def test_a_table_without_such_an_index_is_a_mistake() -> None:
    class Loose(Product):
        spec = Product.spec.__class__(
            "loose", "lse", "loose row", indexes=(Product.spec.by_name["by_sku"], Product.spec.by_name["by_search"])
        )

    with pytest.raises(TypeError):
        whole_index(Loose)


def test_a_row_is_shown_in_the_names_of_the_api_without_what_is_left_out() -> None:
    found = shown(user())
    assert "homeAccountId" in found
    assert "passwordHash" not in found
    assert len(found) == len(User.model_fields) - 1
