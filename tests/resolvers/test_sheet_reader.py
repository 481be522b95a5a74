from datetime import date, datetime

import pytest

from resolvers.sheet_reader import text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (True, "true"),
        (False, "false"),
        (4.0, "4"),
        (4.5, "4.5"),
        (0.1, "0.1"),
        (-7, "-7"),
        ("a", "a"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),  # noqa: DTZ001  a spreadsheet knows no zone
    ],
)
def test_a_cell_is_read_as_csv_would_have_it(value: object, text: str) -> None:
    assert text_of(value) == text
