from decimal import Decimal

import pytest

from datastore.errors import InvalidInputError
from resolvers.expense_inputs import amounts_in_minor, check_tax


def test_amounts_become_minor_units_and_the_rest_stays() -> None:
    changes = {"amount": Decimal("1.50"), "tax": Decimal(0), "vendor": "Landlord"}
    assert amounts_in_minor(changes, "EUR") == {"amount_minor": 150, "tax_minor": 0, "vendor": "Landlord"}
    assert amounts_in_minor({"note": ""}, "EUR") == {"note": ""}
    with pytest.raises(InvalidInputError) as caught:
        amounts_in_minor(changes, "JPY")
    assert [problem.path for problem in caught.value.fields] == ["input.amount"]


def test_the_tax_may_be_all_of_the_amount_and_no_more() -> None:
    check_tax(100, 100, "input.tax")
    with pytest.raises(InvalidInputError) as caught:
        check_tax(100, 101, "input.tax")
    assert [problem.path for problem in caught.value.fields] == ["input.tax"]
