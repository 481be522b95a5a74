"""How figures changed."""

from decimal import Decimal

import pytest

from resolvers.dashboard_figures import FigureChanges, change_in_percent
from resolvers.figures import Figures


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (None, 1, None),
        (1, None, None),
        (0, 5, None),
        (4, 5, "25"),
        (3, 4, "33.3333"),
        (3, 5, "66.6667"),
        (5, 0, "-100"),
        (-4, 4, "200"),
        (-4, -5, "-25"),
    ],
)
def test_a_change_is_in_percent_of_what_was(before: int | None, now: int | None, change: str | None) -> None:
    found = change_in_percent(before, now)
    assert found == (None if change is None else Decimal(change))


def test_each_change_is_that_of_its_own_figure() -> None:
    """Every column of another size, so that no two figures change alike."""
    before = Figures(
        sales_count=10,
        sales_minor=1_000,
        sales_tax_minor=110,
        refunds_minor=100,
        refunds_tax_minor=10,
        expenses_minor=300,
        expenses_tax_minor=100,
    )
    now = Figures(
        sales_count=20,
        sales_minor=4_000,
        sales_tax_minor=510,
        refunds_minor=103,
        refunds_tax_minor=10,
        expenses_minor=210,
        expenses_tax_minor=100,
    )
    changes = FigureChanges.between(before, now)
    found = [changes.revenue, changes.refunds, changes.tax, changes.expenses, changes.profit, changes.sales_count, changes.average_sale]
    # The profit was 1,000 - 100 - 100 - 200, and is 4,000 - 103 - 500 - 110.
    assert found == [300, 3, 400, -30, Decimal("447.8333"), 100, 100]


def test_an_average_of_nothing_has_not_changed() -> None:
    assert FigureChanges.between(Figures(), Figures(sales_count=1, sales_minor=5)).average_sale is None
    assert FigureChanges.between(Figures(sales_count=1, sales_minor=5), Figures()).average_sale is None
