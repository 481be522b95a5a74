"""How files are handed out: under which type, and whether browsers may show them or only save them.

A file that somebody uploaded is never run as a page of ours: of all types only a few that browsers show without running anything are
shown, and whatever could be a page (HTML, SVG, XML, scripts) is handed out as bytes of no type.
"""

from typing import Final
from urllib.parse import quote

SHOWN: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "application/pdf", "text/plain"},
)
"""What may be shown in the browser."""

BYTES: Final = "application/octet-stream"

_NAMED: Final = frozenset(
    {
        *SHOWN,
        "application/epub+zip",
        "application/gzip",
        "application/json",
        "application/msword",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/zip",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/heic",
        "image/heif",
        "image/tiff",
        "text/calendar",
        "text/csv",
        "text/markdown",
        "text/vcard",
        "video/mp4",
        "video/quicktime",
        "video/webm",
    }
)
"""What is handed out under its own type; everything else is bytes."""


def served_type(content_type: str) -> str:
    """The Content-Type that a file of this type is handed out with."""
    if content_type not in _NAMED:
        return BYTES
    return f"{content_type}; charset=utf-8" if content_type.startswith("text/") else content_type


def disposition(name: str, content_type: str, *, inline: bool) -> str:
    """The Content-Disposition of a file: RFC 6266, with its name in UTF-8 as RFC 8187 writes it, and in ASCII for who knows no better."""
    kind = "inline" if inline and content_type in SHOWN else "attachment"
    plain = "".join(character if _is_plain(character) else "_" for character in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_plain(character: str) -> bool:
    """Whether a character stands for itself in a quoted string, for every client: some take "%" for the beginning of an escape."""
    return " " <= character <= "~" and character not in '"\\%/'
