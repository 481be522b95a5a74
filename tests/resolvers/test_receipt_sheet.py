import pytest

from resolvers.receipt_sheet import ReceiptSheet, sheet_of, tax_by_rate
from resolvers.wording import Wording
from tests.resolvers.paperwork import NOON, item_row, receipt_of, refund_row, settings_row


def sums_of(sheet: ReceiptSheet) -> dict[str, str]:
    return {line.label: line.amount for line in sheet.sums}


def sheet(**values: object) -> ReceiptSheet:
    return sheet_of(receipt_of(**values), Wording.of(settings_row("en")), str)  # type: ignore[arg-type]  # a sale's columns, of any type


def test_the_lines_add_up_to_the_subtotal_and_the_sums_to_the_total() -> None:
    written = sheet()
    assert sum(int(line.total) for line in written.lines) == 5000
    assert list(sums_of(written).items()) == [
        ("Subtotal", "5000"),
        ("Discount", "-500"),
        ("Total", "4500"),
        ("Of which 7% tax", "147"),
        ("Of which 19% tax", "360"),
    ]


def test_a_tax_that_comes_on_top_stands_above_the_total() -> None:
    written = sheet(prices_include_tax=False, total_minor=5007)
    assert list(sums_of(written)) == ["Subtotal", "Discount", "Plus 7% tax", "Plus 19% tax", "Total"]
    assert int(sums_of(written)["Total"]) == 5000 - 500 + 147 + 360


def test_a_sale_without_discount_has_a_total_and_no_subtotal() -> None:
    assert list(sums_of(sheet(discount_minor=0, total_minor=5000))) == ["Total", "Of which 7% tax", "Of which 19% tax"]


def test_refunds_come_off_below_the_total() -> None:
    written = sums_of(sheet(refunds=[refund_row()], refunded_minor=1000))
    assert written["Refund 3 of Nov 24, 2026 12:30"] == "-1000"
    assert written["Paid after refunds"] == "3500"


def test_the_tax_of_one_rate_is_one_sum_and_no_tax_is_none() -> None:
    items = [item_row(0, "a", 190_000, 5), item_row(1, "b", 0, 0), item_row(2, "c", 190_000, 6), item_row(3, "d", 70_000, 1)]
    assert tax_by_rate(items) == [(70_000, 1), (190_000, 11)]


@pytest.mark.parametrize(("status", "expected"), [("PAID", "Paid by: Card"), ("PENDING", "Payment outstanding")])
def test_it_says_whether_it_was_paid(status: str, expected: str) -> None:
    assert sheet(payment_status=status).payment == expected


def test_a_voided_sale_says_so_with_the_day_of_its_time_zone() -> None:
    late = NOON.replace(hour=23, minute=30)
    assert sheet(voided_at=late, status="VOIDED").voided == "VOID: this sale was called off on Nov 25, 2026."
    assert sheet().voided == ""
