"""Spreadsheets for tests."""

import io

import xlsxwriter

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def book(*rows: tuple[object, ...], at: int = 0) -> bytes:
    """An XLSX file with these rows, the first of them at a row of the sheet."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as written:
        sheet = written.add_worksheet()
        for number, cells in enumerate(rows, start=at):
            sheet.write_row(number, 0, cells)
    return content.getvalue()
