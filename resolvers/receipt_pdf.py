"""A receipt as a PDF."""

from functools import partial
from io import BytesIO
from typing import Final

from fpdf.enums import Align
from PIL import Image, UnidentifiedImageError

from resolvers.paper import Column, Paper, money_on_paper
from resolvers.receipt_sheet import Receipt, ReceiptSheet, SheetLine, sheet_of
from resolvers.wording import Wording

_LOGO_MM: Final = (40, 20)
_QUANTITY_MM: Final = 22
_AMOUNT_MM: Final = 36
_LINE_MM: Final = 5


def receipt_pdf(receipt: Receipt, wording: Wording, logo: bytes | None = None) -> bytes:
    """The PDF of a receipt, with the business's logo (JPEG, PNG or WebP) where there is one. It takes a while: call it in a thread."""
    sheet = sheet_of(receipt, wording, partial(money_on_paper, wording))
    paper = Paper(wording, f"{sheet.business} {sheet.number}", receipt.sale.sold_at)
    if logo is not None:
        _draw_logo(paper, logo)
    _head(paper, sheet)
    _items(paper, sheet)
    for line in sheet.sums:
        paper.sum_line(line.label, line.amount, strong=line.strong)
    paper.ln(_LINE_MM)
    paper.paragraph(sheet.payment)
    if sheet.footer:
        paper.ln(_LINE_MM)
        paper.paragraph(sheet.footer)
    return paper.finished()


def _draw_logo(paper: Paper, logo: bytes) -> None:
    """The logo in the upper right corner; one that can't be read is left out, for a receipt is wanted all the same."""
    try:
        with Image.open(BytesIO(logo)) as image:
            image.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return
    width, height = _LOGO_MM
    paper.image(BytesIO(logo), x=paper.w - paper.r_margin - width, y=paper.t_margin, w=width, h=height, keep_aspect_ratio=True)


def _head(paper: Paper, sheet: ReceiptSheet) -> None:
    words = paper.wording
    with paper.narrowed(_LOGO_MM[0]):
        paper.title_line(sheet.business)
    paper.ln(_LINE_MM)
    paper.write_in(bold=True)
    paper.paragraph(words.text("receipt.number", number=sheet.number))
    paper.write_in()
    paper.paragraph(f"{words.text('receipt.date')}: {sheet.sold_at}")
    if sheet.customer:
        paper.paragraph(f"{words.text('receipt.customer')}: {sheet.customer}")
    if sheet.voided:
        paper.write_in(bold=True)
        paper.paragraph(sheet.voided)
        paper.write_in()
    paper.ln(_LINE_MM)


def _items(paper: Paper, sheet: ReceiptSheet) -> None:
    columns = _columns(paper)
    paper.headings(columns)
    for line in sheet.lines:
        _item(paper, columns, line)
    paper.rule()


def _columns(paper: Paper) -> list[Column]:
    words = paper.wording
    return [
        Column(words.text("receipt.item"), paper.epw - _QUANTITY_MM - 2 * _AMOUNT_MM),
        Column(words.text("receipt.quantity"), _QUANTITY_MM, "R"),
        Column(words.text("receipt.unit_price"), _AMOUNT_MM, "R"),
        Column(words.text("receipt.amount"), _AMOUNT_MM, "R"),
    ]


def _item(paper: Paper, columns: list[Column], line: SheetLine) -> None:
    """One line; a name that is too long for its column stands whole on lines of its own above."""
    name = line.name
    if paper.fitting(name, columns[0].width_mm).endswith("…"):
        paper.paragraph(name)
        name = ""
    paper.row(columns, [name, line.quantity, line.unit_price, line.total])
    if line.discount:
        paper.write_in(grey=True)
        paper.cell(w=paper.epw, h=_LINE_MM, text=paper.fitting(line.discount, paper.epw), align=Align.R)
        paper.ln(_LINE_MM)
        paper.write_in()
