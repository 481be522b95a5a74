"""What all our PDFs have in common: A4, a font that has Latin, Greek and Cyrillic letters, the number of each page, rows of columns.

The font is Fira Sans (OFL), from the package `fontpkg-fira-sans`. What it has no glyph for, such as Chinese, is shown as an empty box: a
font that has everything weighs 20 MB and more.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Final, Literal

import fontpkg
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import TTFFont

from resolvers.wording import Wording

FAMILY: Final = "Fira Sans"
UNKNOWN: Final = "▯"
"""What stands for a character that the font does not have."""

_REGULAR: Final = 400
_BOLD: Final = 700
_MARGIN_MM: Final = 18
_FOOTER_MM: Final = 20
_ROW_MM: Final = 6
_SMALL_PT: Final = 8
_PLAIN_PT: Final = 10
_TITLE_PT: Final = 18
_GREY: Final = 110


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading and width, in millimetres; numbers stand to the right."""

    heading: str
    width_mm: float
    align: Literal["L", "R"] = "L"


class Paper(FPDF):
    """An A4 document in the making. Every text goes through `printable`."""

    def __init__(self, wording: Wording, title: str, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.wording = wording
        self.set_title(printable(title))
        self.set_lang(wording.language_tag)
        self.set_creator("Tillstream")
        self.set_creation_date(made_at)
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=_FOOTER_MM)
        self.add_font(FAMILY, fname=fontpkg.path(FAMILY, _REGULAR))
        self.add_font(FAMILY, "B", fname=fontpkg.path(FAMILY, _BOLD))
        self.alias_nb_pages("{pages}")
        self.write_in()
        self.add_page()

    def footer(self) -> None:
        """The number of the page, which fpdf2 asks for at its end; how many there are is filled in when all are there."""
        self.set_y(-_FOOTER_MM + _ROW_MM)
        self.write_in(size=_SMALL_PT, grey=True)
        self.cell(w=0, text=self.wording.text("paper.page", page=self.page_no(), pages="{pages}"), align=Align.C)

    def write_in(self, *, bold: bool = False, size: float = _PLAIN_PT, grey: bool = False) -> None:
        """What follows is written in this weight and size, in points."""
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(_GREY if grey else 0)

    def title_line(self, text: str) -> None:
        """A title."""
        self.write_in(bold=True, size=_TITLE_PT)
        self.paragraph(text, height_mm=9)
        self.write_in()

    @contextmanager
    def narrowed(self, right_mm: float) -> Iterator[None]:
        """Leaves so much room at the right edge."""
        before = self.r_margin
        self.set_right_margin(before + right_mm)
        try:
            yield
        finally:
            self.set_right_margin(before)

    def paragraph(self, text: str, *, height_mm: float = 5) -> None:
        """A text of any length, in as many lines as it has or needs."""
        self.multi_cell(w=0, h=height_mm, text=printable(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def row(self, columns: Sequence[Column], texts: Sequence[str]) -> None:
        """One line of a table; a text that is wider than its column ends in an ellipsis."""
        for column, text in zip(columns, texts, strict=True):
            self.cell(w=column.width_mm, h=_ROW_MM, text=self.fitting(text, column.width_mm), align=column.align)
        self.ln(_ROW_MM)

    def headings(self, columns: Sequence[Column]) -> None:
        """The headings of a table, with a line below."""
        self.write_in(size=_SMALL_PT, grey=True)
        self.row(columns, [column.heading for column in columns])
        self.write_in()
        self.rule()

    def sum_line(self, label: str, amount: str, *, strong: bool = False) -> None:
        """A label and an amount at the right edge."""
        self.write_in(bold=strong)
        half = self.epw / 2
        self.row([Column("", half + 30, "R"), Column("", half - 30, "R")], [label, amount])
        self.write_in()

    def rule(self) -> None:
        """A thin line across the page."""
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())

    def fitting(self, text: str, width_mm: float) -> str:
        """As much of a text as a cell of this width holds."""
        shown = printable(text).replace("\n", " ")
        room = width_mm - 2 * self.c_margin
        if self.get_string_width(shown) <= room:
            return shown
        low, high = 0, len(shown)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.get_string_width(shown[:middle] + "…") <= room else (low, middle - 1)
        return shown[:low].rstrip() + "…"

    def finished(self) -> bytes:
        """The document's bytes; nothing can be added after."""
        try:
            return bytes(self.output())
        finally:
            self.close()

    def close(self) -> None:
        """Closes the files of its fonts. Nothing can be added after."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()


def money_on_paper(wording: Wording, minor: int) -> str:
    """An amount in minor units; with its currency's code where the font lacks the sign."""
    shown = wording.money(minor)
    return wording.money_by_code(minor) if UNKNOWN in printable(shown) else shown


def printable(text: str) -> str:
    """A text in the characters of the font: composed, spaces of other widths as plain ones, and boxes for what it does not have."""
    return "".join(map(_printable, unicodedata.normalize("NFC", text)))


@lru_cache(maxsize=4096)
def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\n":
        return character
    if category in {"Cc", "Cf"}:  # they show nothing, and would turn round or break what does
        return ""
    if ord(character) in _glyphs():
        return character
    if category == "Zs":
        return "\N{NO-BREAK SPACE}" if character == "\N{NARROW NO-BREAK SPACE}" else " "
    return "" if category in {"Mn", "Me"} else UNKNOWN


@cache
def _glyphs() -> frozenset[int]:
    """The characters that both weights of the font have."""
    with TTFont(fontpkg.path(FAMILY, _REGULAR)) as regular, TTFont(fontpkg.path(FAMILY, _BOLD)) as bold:
        return frozenset((regular.getBestCmap() or {}).keys() & (bold.getBestCmap() or {}).keys())
