import gzip
import io
import random
import zipfile

import pytest
from PIL import Image

from resolvers.file_types import HEAD_BYTES, found_otherwise, media_type
from tests.resolvers.uploading import PNG


def picture(kind: str) -> bytes:
    """A small picture."""
    made = io.BytesIO()
    Image.new("RGB", (16, 16)).save(made, kind)
    return made.getvalue()


def archive() -> bytes:
    """A ZIP file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        zipped.writestr("word/document.xml", "hello")
    return made.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SVG = b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'
HTML = b"\xef\xbb\xbf  \n<!DOCTYPE html><script>alert(1)</script>"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(100)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + bytes(100)
NOISE = random.Random(1).randbytes(HEAD_BYTES)

RIGHT = [
    ("image/png", picture("PNG")),
    ("image/png", PNG),
    ("image/jpeg", picture("JPEG")),
    ("image/gif", picture("GIF")),
    ("image/webp", picture("WEBP")),
    ("image/bmp", picture("BMP")),
    ("image/tiff", picture("TIFF")),
    ("image/avif", picture("AVIF")),
    ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\n1 0 obj"),
    ("application/zip", archive()),
    (DOCX, archive()),
    ("application/vnd.ms-excel.sheet.macroenabled.12", archive()),
    ("application/msword", OLE),
    ("application/vnd.ms-excel", OLE),
    ("application/gzip", gzip.compress(b"hello", mtime=0)),
    ("application/rtf", b"{\\rtf1\\ansi hello}"),
    ("audio/mpeg", b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(100)),
    ("audio/mpeg", b"\xff\xfb\x90\x64" + bytes(100)),
    ("audio/wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(30)),
    ("video/mp4", MP4),
    ("audio/mp4", MP4),
    (
        "video/webm",
        b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + bytes(9),
    ),
    ("text/plain", "Grüße\r\n\tan alle\x1b[0m".encode()),
    ("text/plain", "Grüße".encode("latin-1")),
    ("text/plain", "Grüße".encode("utf-16")),
    ("text/plain", b"a < b, and <b>bold</b> is no page"),
    ("text/csv", b"name,price\nApple,1.00\n"),
    ("text/markdown", b"<h1 align=center>Hello</h1>\n"),
    ("application/json", b'{"a": 1}'),
    ("text/html", HTML),
    ("image/svg+xml", SVG),
    ("application/xml", SVG),
    ("application/octet-stream", EXE),
    ("application/octet-stream", b""),
    ("application/x-till", NOISE),
    ("application/x-till", b"BM, as two letters may be"),
]
WRONG = [
    ("image/png", HTML, "text"),
    ("image/png", picture("JPEG"), "image/jpeg"),
    ("image/png", EXE, "portable-executable"),
    ("image/png", NOISE, "not that of image/png"),
    ("image/png", b"x", "text"),
    ("image/jpeg", SVG, "xml"),
    ("application/pdf", archive(), "application/zip"),
    (DOCX, b"%PDF-1.7\n", "application/pdf"),
    (DOCX, b"hello", "text"),
    ("application/zip", NOISE, "not that of"),
    ("text/plain", picture("PNG"), "not text"),
    ("text/plain", NOISE, "not text"),
    ("text/plain", HTML, "text/html"),
    ("text/csv", b"<html>", "text/html"),
    ("text/plain", b"<!-- a --><SVG/onload=x()>", "svg"),
    ("text/plain", b"%PDF-1.7\n1 0 obj", "application/pdf"),
    ("application/json", HTML, "text/html"),
    ("image/svg+xml", b"<html></html>", "not that of image/svg+xml"),
    ("application/x-till", picture("PNG"), "image/png"),
    ("application/x-till", archive(), "application/zip"),
]


@pytest.mark.parametrize(("declared", "content"), RIGHT)
def test_content_of_its_type_is_taken(declared: str, content: bytes) -> None:
    assert found_otherwise(declared, content[:HEAD_BYTES]) is None


@pytest.mark.parametrize(("declared", "content", "said"), WRONG)
def test_content_of_another_type_is_named(declared: str, content: bytes, said: str) -> None:
    assert said in (found_otherwise(declared, content[:HEAD_BYTES]) or "")


def test_no_content_makes_the_look_at_it_fail() -> None:
    chance = random.Random(2)
    starts = [content[:16] for _, content in RIGHT] + [b"PK\x03\x04", b"RIFF", b"\x00\x00\x00\x18ftyp", b"OggS", b"\x1aE\xdf\xa3", b"II*\0"]
    for start in starts * 2:
        content = start[: chance.randrange(17)] + chance.randbytes(chance.randrange(64))
        for declared in ("image/png", "text/plain", "application/x-till", DOCX, "video/mp4"):
            said = found_otherwise(declared, content)
            assert said is None or said


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Image/PNG", "image/png"),
        (" text/csv; charset=utf-8 ", "text/csv"),
        ("image/jpg", "image/jpeg"),
        ("application/x-zip-compressed", "application/zip"),
    ],
)
def test_a_media_type_has_one_name(said: str, meant: str) -> None:
    assert media_type(said) == meant


@pytest.mark.parametrize("said", ["", "image", "image/", "/png", "image/png/x", "im age/png", "image/p\x00ng", "image/png\r\nX: y", "ü/x"])
def test_what_is_no_media_type_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        media_type(said)
