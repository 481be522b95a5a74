from io import BytesIO

import pytest
from PIL import Image
from pypdf import PdfReader

from resolvers.receipt_pdf import receipt_pdf
from resolvers.receipt_sheet import Receipt
from resolvers.wording import Wording
from tests.resolvers.paperwork import NOON, item_row, pages_of, receipt_of, refund_row


def text_of(receipt: Receipt) -> str:
    return "\n".join(pages_of(receipt_pdf(receipt, Wording.of(receipt.settings))))


def test_a_receipt_has_all_that_belongs_on_one_in_english() -> None:
    text = text_of(receipt_of("en-US", refunds=[refund_row()], refunded_minor=1000, footer="Thanks!\nCome again."))
    for expected in (
        "Café Ωmega",
        "Receipt no. 1017",
        "Date: Nov 24, 2026 12:30",
        "Sold to: Jörg Müller",
        "Tea “Assam” 2 €12.50 €25.00",
        "Discount -€2.50",
        "Honey Жук 2 €12.50 €25.00",
        "Subtotal €50.00",
        "Discount -€5.00",
        "Total €45.00",
        "Of which 7% tax €1.47",
        "Of which 19% tax €3.60",
        "Refund 3 of Nov 24, 2026 12:30 -€10.00",
        "Paid after refunds €35.00",
        "Paid by: Card",
        "Thanks!\nCome again.",
        "Page 1 of 1",
    ):
        assert expected in text


def test_a_receipt_has_all_that_belongs_on_one_in_german() -> None:
    text = text_of(receipt_of("de", voided_at=NOON, status="VOIDED"))
    for expected in (
        "Beleg Nr. 1017",
        "Datum: 24.11.2026 12:30",
        "Summe 45,00 €",
        "Darin 19 % Steuer 3,60 €",
        "Bezahlt mit: Karte",
        "STORNIERT",
    ):
        assert expected in text


def test_a_name_of_any_length_stands_on_it_as_a_whole() -> None:
    receipt = receipt_of()
    name = " ".join(["very"] * 39) + " long"
    item = item_row(0, name, 0, 0)
    text = text_of(Receipt(receipt.settings, receipt.sale, [item], ())).replace("\n", " ")
    assert name in " ".join(text.split())


def test_two_hundred_lines_go_over_several_pages() -> None:
    receipt = receipt_of()
    items = [item_row(position, f"Item {position}.", 0, 0) for position in range(200)]
    pages = pages_of(receipt_pdf(Receipt(receipt.settings, receipt.sale, items, ()), Wording.of(receipt.settings)))
    assert len(pages) > 3
    text = "".join(pages)
    assert all(f"Item {position}." in text for position in range(200))


def picture(kind: str) -> bytes:
    drawn = BytesIO()
    Image.new("RGB", (300, 100), "teal").save(drawn, kind)
    return drawn.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_drawn(kind: str) -> None:
    receipt = receipt_of()
    pdf = PdfReader(BytesIO(receipt_pdf(receipt, Wording.of(receipt.settings), picture(kind))))
    assert len(pdf.pages[0].images) == 1


@pytest.mark.parametrize("logo", [b"", b"no picture", picture("PNG")[:60]], ids=["empty", "text", "torn"])
def test_a_logo_that_cannot_be_read_is_left_out(logo: bytes) -> None:
    receipt = receipt_of()
    assert "Total" in pages_of(receipt_pdf(receipt, Wording.of(receipt.settings), logo))[0]
