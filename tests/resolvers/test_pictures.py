import pytest
from PIL import Image

from resolvers.pictures import MOST_BYTES, UnfitPictureError, small_pictures
from tests.resolvers.painting import colour_at, film, opened, painted, photo, png_of_size, written

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
CUT = painted(colour="blue")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_of_each_kind_is_made_small_in_proportion(kind: str) -> None:
    made = small_pictures(painted(1200, 900, kind), f"image/{kind.lower()}", (512, 128))
    assert [(small.width, small.height) for small in made] == [(512, 384), (128, 96)]
    for small in made:
        picture = opened(small.content)
        assert (picture.format, picture.size) == ("WEBP", (small.width, small.height))
        assert colour_at(small.content) == "red"


@pytest.mark.parametrize(("size", "becomes"), [((20, 10), (20, 10)), ((30_000, 1), (512, 1)), ((512, 513), (511, 512))])
def test_small_ones_stay_as_they_are_and_thin_ones_keep_a_pixel(size: tuple[int, int], becomes: tuple[int, int]) -> None:
    [small] = small_pictures(painted(*size, kind="PNG"), "image/png", (512,))
    assert (small.width, small.height) == becomes


@pytest.mark.parametrize(
    ("mode", "colour", "kind"),
    [
        ("L", 130, "PNG"),
        ("I;16", 130 * 256, "PNG"),
        ("1", 1, "PNG"),
        ("LA", (130, 255), "PNG"),
        ("P", 3, "GIF"),
        ("CMYK", (9, 9, 9, 9), "JPEG"),
    ],
)
def test_pictures_of_every_mode_are_read(mode: str, colour: object, kind: str) -> None:
    [small] = small_pictures(painted(mode=mode, colour=colour, kind=kind), f"image/{kind.lower()}", (64,))
    grey = opened(small.content).convert("L").getpixel((5, 5))
    if mode in {"L", "I;16", "LA"}:
        assert grey == pytest.approx(130, abs=3)


def test_what_is_transparent_stays_so() -> None:
    [small] = small_pictures(painted(mode="RGBA", colour=(1, 2, 3, 0), kind="PNG"), "image/png", (64,))
    assert opened(small.content).convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_a_photo_is_turned_as_it_was_taken_and_says_nothing_of_where() -> None:
    source = photo()
    assert b"Exif" in source
    [small] = small_pictures(source, "image/jpeg", (200,))
    picture = opened(small.content)
    assert (small.width, small.height) == (100, 200)
    assert not picture.getexif()
    assert b"EXIF" not in small.content
    assert [colour_at(small.content, 50, 30), colour_at(small.content, 50, 170)] == ["blue", "red"]


def test_of_a_film_the_first_frame_is_shown() -> None:
    [small] = small_pictures(film(1000), "image/gif", (64,))
    assert getattr(opened(small.content), "n_frames", 1) == 1
    assert colour_at(small.content) == "red"


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (png_of_size(50_000, 50_000), "image/png", "The picture has more than 40,000,000 pixels."),
        (png_of_size(2**31 - 1, 2**31 - 1), "image/png", "The picture has more than 40,000,000 pixels."),
        (png_of_size(8_000, 8_000), "image/png", "The picture has more than 40,000,000 pixels."),
        (png_of_size(6_000, 6_000), "image/png", "The file is broken, or no picture of its type."),
        (png_of_size(0, 10), "image/png", "The file is broken, or no picture of its type."),
        (CUT[: len(CUT) // 2], "image/jpeg", "The file is broken, or no picture of its type."),
        (painted(kind="PNG"), "image/jpeg", "The file is broken, or no picture of its type."),
        (b"", "image/gif", "The file is broken, or no picture of its type."),
        (SVG, "image/png", "The file is broken, or no picture of its type."),
        (SVG, "image/svg+xml", "Thumbnails are made of JPEG, PNG, WebP and GIF files."),
        (painted(kind="TIFF"), "image/tiff", "Thumbnails are made of JPEG, PNG, WebP and GIF files."),
        (bytes(MOST_BYTES + 1), "image/png", "The file is larger than 32 MiB."),
    ],
)
def test_what_is_no_picture_or_too_large_a_one_is_refused_with_the_reason(content: bytes, content_type: str, says: str) -> None:
    with pytest.raises(UnfitPictureError) as refused:
        small_pictures(content, content_type, (512, 128))
    assert str(refused.value) == says


def test_a_picture_as_large_as_may_be_is_read() -> None:
    largest = written(Image.new("1", (8_000, 5_000)), "PNG")
    [small] = small_pictures(largest, "image/png", (128,))
    assert (small.width, small.height) == (128, 80)
    with pytest.raises(UnfitPictureError, match="more than"):
        small_pictures(written(Image.new("1", (8_000, 5_001)), "PNG"), "image/png", (128,))
