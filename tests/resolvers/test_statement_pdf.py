from datetime import date

import pytest

from resolvers.statement_pdf import StatementPdf
from resolvers.wording import Wording, texts_of
from tests.resolvers.paperwork import NOON, entry_row, pages_of, settings_row


def statement(locale: str = "en-US", opening_minor: int = 10_000) -> StatementPdf:
    words = Wording.of(settings_row(locale))
    return StatementPdf(words, "Café Ωmega", date(2026, 11, 1), date(2026, 11, 30), opening_minor, NOON)


def test_a_statement_goes_from_the_opening_to_the_closing_balance() -> None:
    made = statement()
    made.add([entry_row(2500, "Sale 1"), entry_row(-500, "Refund 1 of sale 1", "2026-11-02", "REFUND")])
    made.add([entry_row(-3000, "Miete für Ладен", "2026-11-30", "EXPENSE")])
    [page] = pages_of(made.finished())
    for expected in (
        "Café Ωmega",
        "Statement: Nov 1, 2026 to Nov 30, 2026",
        "Opening balance €100.00",
        "Nov 1, 2026 Sale Sale 1 €25.00 €125.00",
        "Nov 2, 2026 Refund Refund 1 of sale 1 -€5.00 €120.00",
        "Nov 30, 2026 Expense Miete für Ладен -€30.00 €90.00",
        "Entries 3",
        "Money in €25.00",
        "Money out -€35.00",
        "Closing balance €90.00",
    ):
        assert expected in page
    assert made.closing_minor == 9000
    assert [amount for _, amount in made.sums(Wording.of(settings_row("en-US")))] == ["€100.00", "€25.00", "-€35.00", "€90.00"]


def test_a_statement_is_in_german_for_who_chose_that() -> None:
    made = statement("de")
    made.add([entry_row(123_456, "Verkauf 1")])
    [page] = pages_of(made.finished())
    for expected in (
        "Kontoauszug: 01.11.2026 bis 30.11.2026",
        "Anfangssaldo 100,00 €",
        "01.11.2026 Verkauf Verkauf 1 1.234,56 €",
        "Endsaldo",
    ):
        assert expected in page


def test_a_period_in_which_nothing_happened_says_so() -> None:
    [page] = pages_of(statement().finished())
    assert "Nothing came in or went out in this period." in page
    assert "Closing balance €100.00" in page


@pytest.mark.slow
def test_every_page_of_a_long_statement_has_the_headings_and_no_entry_is_lost() -> None:
    made = statement()
    for hundred in range(10):
        made.add([entry_row(100, f"Sale {hundred * 100 + number}.") for number in range(100)])
    pages = pages_of(made.finished())
    assert len(pages) > 20
    assert all("Date Kind Description Amount Balance" in page for page in pages[:-1])
    text = "".join(pages)
    assert all(f"Sale {number}." in text for number in range(1000))
    assert "Closing balance €1,100.00" in text


@pytest.mark.parametrize("kind", ["SALE", "REFUND", "EXPENSE", "MANUAL"])
def test_every_kind_of_entry_has_a_name(kind: str) -> None:
    assert texts_of("en")[f"transaction_kind.{kind}"]
    made = statement()
    made.add([entry_row(1, kind=kind)])
    assert made.count == 1
    made.finished()
