"""A program that reads a spreadsheet (XLSX) from its standard input, and writes its rows as JSON, one a line.

It runs apart from everything else, with limits: what is in the file may make its reader allocate without end, or die. It imports nothing of
ours. Its exit code says what was wrong.
"""

import io
import json
import resource
import sys
import zipfile
from datetime import date, datetime

MOST_UNPACKED = 1 << 26
MOST_MEMORY = 1 << 30
MOST_SECONDS = 60
MOST_PARTS = 1000

TOO_LARGE, NO_SPREADSHEET = 3, 4


def main() -> int:
    """Reads and writes."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile:
        return NO_SPREADSHEET
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        return TOO_LARGE
    return write_rows(content)


def write_rows(content: bytes) -> int:
    """Writes the rows of the first sheet."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  not before the limits are set

    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        for row in sheet.iter_rows():
            sys.stdout.write(json.dumps([text_of(cell) for cell in row], ensure_ascii=False) + "\n")
    except (CalamineError, ValueError, IndexError):
        return NO_SPREADSHEET
    return 0


def text_of(cell: object) -> str:
    """A cell as CSV would have it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell.isoformat() if isinstance(cell, datetime | date) else str(cell)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main())
