"""Pictures, and what only pretends to be one."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

ORIENTATION = 0x0112
GPS = 0x8825
TURNED_RIGHT = 6
"""EXIF: the picture has to be turned by a quarter, clockwise, to be seen as it was taken."""


def painted(width: int = 640, height: int = 480, kind: str = "JPEG", colour: Any = "red", mode: str = "RGB", **options: Any) -> bytes:
    """A picture of one colour."""
    return written(Image.new(mode, (width, height), colour), kind, **options)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def photo() -> bytes:
    """A photo, 400 by 200 as it is stored, to be turned; it tells where it was taken. Its left half is blue, so its upper half is to be."""
    picture = Image.new("RGB", (400, 200), "red")
    picture.paste("blue", (0, 0, 200, 200))
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    exif.get_ifd(GPS)[1] = "N"
    return written(picture, "JPEG", exif=exif)


def film(frames: int) -> bytes:
    """A GIF that begins red and goes on in other colours."""
    pictures = [Image.new("RGB", (60, 40), "red"), *(Image.new("RGB", (60, 40), (0, number % 256, 255)) for number in range(1, frames))]
    return written(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header tells of so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + kind + data + _checksum(kind + data) for kind, data in chunks)


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


def opened(content: bytes) -> Image.Image:
    """A file as a picture."""
    return Image.open(BytesIO(content))


def colour_at(content: bytes, x: int = 5, y: int = 5) -> str:
    """Which of red, green and blue there is by far the most of at a place."""
    red, green, blue = (opened(content).convert("RGB").getchannel(name).getpixel((x, y)) for name in "RGB")
    amounts = {"red": int(str(red)), "green": int(str(green)), "blue": int(str(blue))}
    strongest = max(amounts, key=amounts.__getitem__)
    assert amounts[strongest] > 200 + sum(amounts.values()) - amounts[strongest]
    return strongest
