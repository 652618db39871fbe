"""Small files that cost far more than they hold: refused by their header, or read without what is too much."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding import grey, pictures
from embeddings_orch.media.decoding.limits import MANY_SCANS, MAX_SCANNED, has_too_many_scans, webp_size
from embeddings_orch.media.decoding.pictures import decode_image, image_orientation, image_size
from embeddings_orch.media.decoding.portable import portable_image

SIDE = 16383


def one_colour_webp(width: int, height: int) -> bytes:
    """A lossless WebP of one colour: no bit for any pixel."""
    bits = f"{0:04b}{height - 1:014b}{width - 1:014b}"
    # Five codes of one symbol each, after three flags that are off.
    codes = "0001" * 5 + "000"
    number = int(codes + bits, 2)
    content = b"\x2f" + number.to_bytes(7, "little")
    return b"RIFF" + struct.pack("<I", 12 + len(content)) + b"WEBPVP8L" + struct.pack("<I", len(content)) + content


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def test_a_side_of_more_rows_than_memory_is_refused():
    header = b"P5 1 %d 255\n" % (2**24 + 1)
    with pytest.raises(ItemError, match=r"1 x 16777217 pixels; the limit of a side is 16,777,216"):
        decode_image(header)


def test_a_small_webp_of_one_colour_is_a_picture():
    assert decode_image(one_colour_webp(40, 30)).size == image_size(one_colour_webp(40, 30)) == (40, 30)


def test_a_webp_of_few_bytes_that_says_many_pixels_is_refused_by_its_header():
    data = one_colour_webp(SIDE, SIDE)
    assert len(data) < 34
    with pytest.raises(ItemError, match=f"{SIDE} x {SIDE}; the limit is 134,217,728"):
        decode_image(data)
    # A server says so too, rather than that it is no picture.
    assert image_size(data) == (SIDE, SIDE)


def test_below_the_limit_of_pixels_the_bytes_decide():
    with pytest.raises(ItemError, match=r"28 bytes say 11000 x 11000"):
        decode_image(one_colour_webp(11_000, 11_000))


@pytest.mark.parametrize("kind", ["lossy", "lossless", "extended"])
def test_the_size_of_every_webp_stands_in_its_header(kind):
    options = {"lossless": kind == "lossless", "exif": b"Exif\0\0" if kind == "extended" else b""}
    assert webp_size(encoded(Image.new("RGB", (70, 30)), "WEBP", **options)[:30]) == (70, 30)
    assert webp_size(b"RIFF") is None


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encoded(Image.new("L", (640, 480)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    scans = MAX_SCANNED // (640 * 480) + 1
    bomb = data[:-2] + scan * scans + data[-2:]
    with pytest.raises(ItemError, match=r"scans of 640 x 480"):
        decode_image(bomb)
    with pytest.raises(ItemError, match=r"scans of 640 x 480"):
        portable_image(bomb)
    assert not has_too_many_scans(data[:-2] + scan * 10 + data[-2:], (10_000, 10_000))
    assert has_too_many_scans(scan * (MANY_SCANS + 1), (10_000, 10_000))


def test_thousands_of_exif_segments_are_passed_over_but_for_the_orientation():
    data = encoded(Image.new("RGB", (40, 30), "red"), "JPEG")
    turned = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = [b"Exif\0\0" + turned, *[b"Exif\0\0" + bytes(1000)] * 2000]
    segments = b"".join(struct.pack(">BBH", 0xFF, 0xE1, len(part) + 2) + part for part in exif)
    odd = data[:2] + segments + data[2:]
    assert decode_image(odd).size == image_size(odd) == (30, 40)
    assert image_orientation(odd) == 6
    sent, mime = portable_image(odd)
    assert (mime, len(sent) < 1000) == ("image/png", True)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "L", "RGB", "1"])
def test_a_large_picture_in_bands_is_the_same(monkeypatch, mode):
    random = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    data = encoded(Image.fromarray(random, "RGBA").convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    whole = np.asarray(decode_image(data))
    monkeypatch.setattr(pictures, "LARGE_AREA", 10)
    monkeypatch.setattr(grey, "BAND_PIXELS", 100)
    assert np.array_equal(np.asarray(decode_image(data)), whole)


@pytest.mark.parametrize(
    ("highest", "white"), [(200, 255), (1000, 1023), (4095, 4095), (4096, 65535), (16_000, 65535), (65535, 65535)]
)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_grey_without_a_declaration_has_the_fewest_bits_that_hold_it(monkeypatch, file_format, highest, white):
    monkeypatch.setattr(grey, "BAND_PIXELS", 16)
    values = np.linspace(0, highest, 64).astype(np.uint16).reshape(8, 8)
    shown = np.asarray(decode_image(encoded(Image.fromarray(values), file_format)))[..., 0]
    expected = values >> 8 if white == 65535 else np.rint(values * (255 / white))
    assert np.array_equal(shown, expected)


@pytest.mark.parametrize(("low", "high"), [(0, 20_000), (1000, 9000)])
def test_what_a_tiff_declares_is_black_and_white(low, high):
    values = np.array([[low, high]], np.uint16)
    data = encoded(Image.fromarray(values), "TIFF", tiffinfo={340: low, 341: high})
    assert [decode_image(data).getpixel((x, 0))[0] for x in range(2)] == [0, 255]


def test_float_grey_of_twelve_bits_is_not_black():
    image = decode_image(encoded(Image.fromarray(np.array([[0, 2047.5, 4095]], np.float32)), "TIFF"))
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]
