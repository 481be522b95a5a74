"""Small pictures made of large ones, of bytes that anybody may have sent.

What is decoded is bounded before it is: by its bytes, and by the width and height that its header tells. Only the first frame is looked at.
What comes out has the orientation that its EXIF data ask for, and nothing of those data, which may tell where a photo was taken.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps

FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
"""The content types of which thumbnails are made. SVG is not among them: it is a program rather than a picture."""

MOST_PIXELS: Final = 40_000_000
"""Of a picture: 160 MB decoded, and up to 550 MB (a WebP file) with the copies on the way to a small one."""

MOST_BYTES: Final = 32 << 20

CONTENT_TYPE: Final = "image/webp"
_QUALITY: Final = 80

Image.MAX_IMAGE_PIXELS = MOST_PIXELS
# Pillow only warns of what has up to twice as many.
warnings.simplefilter("error", Image.DecompressionBombWarning)


class UnfitPictureError(Exception):
    """No small picture can be made of this; the text says why."""


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """A picture in WebP."""

    width: int
    height: int
    content: bytes


def small_pictures(content: bytes, content_type: str, sides: Sequence[int]) -> list[SmallPicture]:
    """The picture, once for each of the sides, which are its longest in pixels, the largest first; a smaller one is not made larger.

    It takes a while: call it in a thread. Raises UnfitPictureError.
    """
    try:
        picture = _decoded(content, content_type, max(sides))
        return [_shrunk(picture, side) for side in sides]
    except UnfitPictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnfitPictureError(f"The picture has more than {MOST_PIXELS:,} pixels.") from None
    except Exception as error:  # Pillow's decoders raise what comes to them: SyntaxError, struct.error, IndexError …
        raise UnfitPictureError("The file is broken, or no picture of its type.") from error


def _decoded(content: bytes, content_type: str, side: int) -> Image.Image:
    """The first frame, its pixels at least as many as a picture of that side needs, the right way up."""
    if content_type not in FORMATS:
        raise UnfitPictureError("Thumbnails are made of JPEG, PNG, WebP and GIF files.")
    if len(content) > MOST_BYTES:
        raise UnfitPictureError(f"The file is larger than {MOST_BYTES >> 20} MiB.")
    with Image.open(BytesIO(content), formats=[FORMATS[content_type]]) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise UnfitPictureError(f"The picture has more than {MOST_PIXELS:,} pixels.")
        picture.draft("RGB", (2 * side, 2 * side))
        colours = _in_colours(picture)
        colours.thumbnail((side, side))
        # Its info still has the EXIF data of the file.
        return ImageOps.exif_transpose(colours)


def _in_colours(picture: Image.Image) -> Image.Image:
    """The picture in red, green, blue and, where it has any, transparency."""
    wanted = "RGBA" if picture.has_transparency_data else "RGB"
    if picture.mode.startswith("I"):  # 16 bits of grey, of which a conversion would keep the lower 8
        picture = picture.point(lambda level: level * (1 / 256)).convert("L")
    return picture if picture.mode == wanted else picture.convert(wanted)


def _shrunk(picture: Image.Image, side: int) -> SmallPicture:
    small = picture.copy()
    small.thumbnail((side, side))
    small.info.clear()
    written = BytesIO()
    small.save(written, "WEBP", quality=_QUALITY)
    return SmallPicture(small.width, small.height, written.getvalue())
