"""A statement as a PDF: the entries of a period, between the balance before and the balance after. Made page by page of entries."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from datastore import schema as tables
from resolvers.paper import Column, Paper, money_on_paper
from resolvers.wording import Wording

_DATE_MM: Final = 26
_KIND_MM: Final = 24
_AMOUNT_MM: Final = 34
_LINE_MM: Final = 5
_ROOM_FOR_SUMS_MM: Final = 40


class StatementPdf:
    """A statement in the making: `add` all entries in order, then `finished`. It is slow work: call it in a thread.

    What it says adds up by itself: the closing balance is the opening one and the entries that were added.
    """

    def __init__(self, wording: Wording, business: str, first: date, last: date, opening_minor: int, made_at: datetime) -> None:
        self._words = wording
        self.opening_minor = opening_minor
        self.in_minor = self.out_minor = self.count = 0
        period = wording.text("statement.period", first=wording.day(first), last=wording.day(last))
        self._paper = paper = Paper(wording, f"{business}: {period}", made_at)
        paper.title_line(business)
        paper.paragraph(f"{wording.text('statement.title')}: {period}")
        paper.ln(_LINE_MM)
        self._columns = _columns(paper)
        paper.headings(self._columns)
        paper.sum_line(wording.text("statement.opening"), self._money(opening_minor), strong=True)

    @property
    def closing_minor(self) -> int:
        """The balance after the entries so far."""
        return self.opening_minor + self.in_minor - self.out_minor

    def sums(self, wording: Wording) -> Sequence[tuple[str, str]]:
        """What the statement comes to, labelled in these words."""
        amounts = {"opening": self.opening_minor, "money_in": self.in_minor, "money_out": -self.out_minor, "closing": self.closing_minor}
        return [(wording.text(f"statement.{key}"), wording.money(minor)) for key, minor in amounts.items()]

    def add(self, entries: Sequence[tables.LedgerEntry]) -> None:
        """Adds entries that come after those that are there."""
        for entry in entries:
            self.count += 1
            self.in_minor += max(entry.amount_minor, 0)
            self.out_minor += max(-entry.amount_minor, 0)
            if self._paper.will_page_break(_LINE_MM):
                self._paper.add_page()
                self._paper.headings(self._columns)
            self._paper.row(self._columns, self._texts(entry))

    def finished(self) -> bytes:
        """The document's bytes."""
        paper = self._paper
        if not self.count:
            paper.paragraph(self._words.text("statement.none"))
        if paper.will_page_break(_ROOM_FOR_SUMS_MM):
            paper.add_page()
        paper.rule()
        paper.sum_line(self._words.text("statement.entries"), self._words.number(self.count))
        paper.sum_line(self._words.text("statement.money_in"), self._money(self.in_minor))
        paper.sum_line(self._words.text("statement.money_out"), self._money(-self.out_minor))
        paper.sum_line(self._words.text("statement.closing"), self._money(self.closing_minor), strong=True)
        return paper.finished()

    def close(self) -> None:
        """Lets go of it, finished or not."""
        self._paper.close()

    def _texts(self, entry: tables.LedgerEntry) -> list[str]:
        day, kind = self._words.day(date.fromisoformat(entry.occurred_on)), self._words.text(f"transaction_kind.{entry.kind}")
        return [day, kind, entry.description, self._money(entry.amount_minor), self._money(self.closing_minor)]

    def _money(self, minor: int) -> str:
        return money_on_paper(self._words, minor)


def _columns(paper: Paper) -> list[Column]:
    words = paper.wording
    return [
        Column(words.text("statement.date"), _DATE_MM),
        Column(words.text("statement.kind"), _KIND_MM),
        Column(words.text("statement.description"), paper.epw - _DATE_MM - _KIND_MM - 2 * _AMOUNT_MM),
        Column(words.text("statement.amount"), _AMOUNT_MM, "R"),
        Column(words.text("statement.balance"), _AMOUNT_MM, "R"),
    ]
