from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from datastore.schema import Account, Product, Settings, User
from resolvers.pricing import Line, price_sale
from resolvers.sale_rows import Order, Ordered, Part, item_rows, refund_item_rows, refund_row, sale_row, status_after

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACCOUNT, USER = Account.new_id(), User.new_id()


def settings_in(time_zone: str) -> Settings:
    return Settings(
        id=Settings.new_id(),
        created_at=NOW,
        updated_at=NOW,
        account_id=ACCOUNT,
        business_name="Shop",
        currency="EUR",
        currency_fixed=True,
        time_zone=time_zone,
        locale="en",
    )


def product(*, track_stock: bool = True) -> Product:
    return Product(
        id=Product.new_id(),
        created_at=NOW,
        updated_at=NOW,
        account_id=ACCOUNT,
        name="Assam",
        description="",
        sku="A-1",
        barcode=None,
        category_id=None,
        currency="EUR",
        price_minor=450,
        cost_minor=100,
        tax_rate_ppm=None,
        track_stock=track_stock,
        stock=5,
        low_stock_threshold=0,
        archived=False,
    )


def order_of(*lines: Line, sold_at: datetime = NOW, time_zone: str = "UTC") -> Order:
    priced = price_sale(lines, 0, prices_include_tax=True)
    items = [Ordered(product(track_stock=position == 0), line) for position, line in enumerate(lines)]
    return Order(settings_in(time_zone), items, priced, "CASH", sold_at)


def test_a_sale_and_its_lines_keep_what_was_sold() -> None:
    order = order_of(Line(3, 450, 190_000, 50), Line(1, 1070, 70_000))
    sale = sale_row(order, number=7, user_id=USER, now=NOW)
    first, second = item_rows(order, sale)
    assert (sale.number, sale.account_id, sale.status, sale.sold_by_id) == (7, ACCOUNT, "COMPLETED", USER)
    assert (sale.subtotal_minor, sale.discount_minor, sale.total_minor) == (2420, 50, 2370)
    assert sale.tax_minor == first.tax_minor + second.tax_minor
    assert (first.position, first.sale_id, first.name, first.sku, first.unit_cost_minor) == (0, sale.id, "Assam", "A-1", 100)
    assert (first.stock_taken, second.stock_taken) == (True, False)


def test_the_day_and_hour_of_a_sale_are_those_of_its_time_zone() -> None:
    order = order_of(Line(1, 1, 0), sold_at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC), time_zone="Europe/Berlin")
    sale = sale_row(order, number=1, user_id=USER, now=NOW)
    assert (sale.sold_on, sale.sold_hour) == ("2027-01-01", 0)


@given(st.integers(1, 40), st.integers(0, 5000), st.integers(0, 1_000_000), st.data())
def test_refunds_in_any_parts_give_back_the_line_to_the_last_unit(quantity: int, price: int, rate: int, data: st.DataObject) -> None:
    order = order_of(Line(quantity, price, rate))
    sale = sale_row(order, number=1, user_id=USER, now=NOW)
    [item] = item_rows(order, sale)
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, quantity - 1)))), quantity] if quantity > 1 else [0, 1]
    back = tax = 0
    for number, (before, after) in enumerate(pairwise(cuts), start=1):
        part = Part(item, after - before, restocked=True)
        refund = refund_row(sale, [part], number=number, reason="", refunded_at=NOW, refunded_on="2026-11-24", user_id=USER)
        [line] = refund_item_rows(refund, [part])
        assert (refund.amount_minor, refund.tax_minor) == (line.amount_minor, line.tax_minor)
        assert line.refund_id == refund.id
        item = item.model_copy(update=dict(part.changes))
        back, tax = back + refund.amount_minor, tax + refund.tax_minor
        assert (item.refunded_minor, item.refunded_tax_minor) == (back, tax)
        assert status_after([item]) == ("REFUNDED" if after == quantity else "PARTLY_REFUNDED")
    assert (back, tax) == (item.total_minor, item.tax_minor)
