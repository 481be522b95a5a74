"""What a file is, by its first bytes: whether they are of the type that its uploader says.

Texts are read as text; of everything else the signature counts (puremagic knows some thousands). Types that share one are not told apart
here: an office document and a ZIP archive, the containers of one family of films. A type that has no signature is believed, unless the
bytes carry that of another.
"""

import codecs
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from puremagic import PureError, magic_string

HEAD_BYTES: Final = 4096
"""That are looked at."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}", re.ASCII)
"""RFC 6838, section 4.2."""

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/x-gzip": "application/gzip",
        "application/x-pdf": "application/pdf",
        "application/x-rtf": "application/rtf",
        "application/x-zip": "application/zip",
        "application/x-zip-compressed": "application/zip",
        "audio/mp3": "audio/mpeg",
        "audio/wave": "audio/wav",
        "audio/x-flac": "audio/flac",
        "audio/x-wav": "audio/wav",
        "image/jpg": "image/jpeg",
        "image/pjpeg": "image/jpeg",
        "image/x-ms-bmp": "image/bmp",
        "image/x-png": "image/png",
        "text/rtf": "application/rtf",
        "text/x-markdown": "text/markdown",
        "text/xml": "application/xml",
    }
)
"""Types of several names, by the names that do not last."""

_FAMILIES: Final = (
    {"application/zip", "application/epub+zip", "application/java-archive"},
    {"image/heic", "image/heif", "image/avif"},
    {"audio/ogg", "video/ogg", "application/ogg", "audio/opus"},
    {"video/mp4", "audio/mp4", "audio/x-m4a", "video/x-m4v", "video/quicktime", "video/3gpp", "audio/aac"},
    {"video/webm", "audio/webm", "video/x-matroska", "application/x-matroska"},
    {"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook"},
)
"""Types whose signature is the same."""

_ALONE: Final = frozenset(
    {
        "application/gzip",
        "application/pdf",
        "application/rtf",
        "application/vnd.microsoft.portable-executable",
        "application/x-7z-compressed",
        "audio/flac",
        "audio/mpeg",
        "audio/wav",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "image/x-icon",
    }
)
"""Types with a signature of their own."""

_ZIPPED: Final = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.", "application/vnd.ms-")
_ZIP_SIGNATURES: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TELLING: Final = 0.4
"""From which confidence on a signature speaks against a type that has none: two letters at the beginning may be chance."""

_TEXTS: Final = frozenset(
    {"application/json", "application/xml", "application/javascript", "application/yaml", "application/sql", "application/x-sh"}
)
_MARKUP: Final = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "application/xml"})
_TAGS: Final = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script|iframe|style|svg)[\s>/]", re.IGNORECASE | re.DOTALL)
"""What browsers take for a page of theirs at a text's beginning (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type)."""

_UNPRINTABLE: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def media_type(text: str) -> str:
    """A media type in its lasting name, without parameters. Raises ValueError for what is none."""
    plain = text.partition(";")[0].strip().lower()
    if len(text) > 255 or not _MEDIA_TYPE.fullmatch(plain):  # noqa: PLR2004  with parameters and all
        raise ValueError('must be a media type, such as "image/png"')
    return _NAMES.get(plain, plain)


def found_otherwise(declared: str, head: bytes) -> str | None:
    """What speaks against a type, by a file's first `HEAD_BYTES`: a sentence's end for people to read. None where nothing does."""
    if declared == "application/octet-stream":
        return None
    if _is_text(declared):
        return _not_text(declared, head)
    likely = _signatures(head)
    family = _family_of(declared)
    if family is None:
        other = next((kind for kind, confidence in likely.items() if confidence >= _TELLING and _family_of(kind)), None)
        return None if other is None else f"its content is {other}"
    if family & likely.keys():
        return None
    found = next(iter(likely), None) or ("text" if _readable(head) else None)
    return f"its content is {found}" if found else f"its content is not that of {declared}"


def _not_text(declared: str, head: bytes) -> str | None:
    if head.startswith(b"%PDF-"):
        return "its content is application/pdf"
    if not _readable(head):
        return "its content is not text"
    tag = _TAGS.match(head.removeprefix(codecs.BOM_UTF8))
    if tag is not None and declared not in _MARKUP:
        return f"its content is {'image/svg+xml' if tag[2].lower() == b'svg' else 'text/html'}"
    if declared == "image/svg+xml" and b"<svg" not in head.lower() and b":svg" not in head.lower():
        return "its content is not that of image/svg+xml"
    return None


def _readable(head: bytes) -> bool:
    """Whether it is text in UTF-8, in UTF-16 with its mark, or in one of the encodings that give every byte a letter."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return b"\0\0" not in head
    return _UNPRINTABLE.search(head) is None


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+xml", "+json"))


def _signatures(head: bytes) -> dict[str, float]:
    """The types that the first bytes may be of, the likeliest first, with how sure that is."""
    if head.startswith(_ZIP_SIGNATURES):
        return {"application/zip": 1.0}
    try:
        found = magic_string(head)
    except (PureError, ValueError):
        return {}
    likely: dict[str, float] = {}
    for match in found:
        kind = _NAMES.get(match.mime_type, match.mime_type)
        if kind:
            likely[kind] = max(match.confidence, likely.get(kind, 0.0))
    return likely


@cache
def _family_of(kind: str) -> frozenset[str] | None:
    """The types that have the same signature as this one, itself among them; None where it has none that is known."""
    if kind in _ALONE:
        return frozenset({kind})
    zipped = _FAMILIES[0] if kind.startswith(_ZIPPED) else None
    family = next((family for family in _FAMILIES if kind in family), zipped)
    return None if family is None else frozenset(family)
