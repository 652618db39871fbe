from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFile

from embeddings_orch.errors import ItemError, TerminalError
from embeddings_orch.media.decoding.kinds import KINDS
from embeddings_orch.media.decoding.limits import MAX_PIXELS
from embeddings_orch.media.decoding.pictures import decode_image, decode_text, image_size

ORIENTATION = 0x0112


def encoded(image, file_format, **options):
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(size=(97, 61), mode="RGB"):
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands) if bands > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), mode)


def corners(size=(40, 24)):
    """Red top left, green top right, blue bottom left."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), "red")
    draw.rectangle((width // 2, 0, width, height // 2 - 1), "lime")
    draw.rectangle((0, height // 2, width // 2 - 1, height), "blue")
    return image


def close(image, colour, at=(0, 0), tolerance=12):
    return all(abs(a - b) <= tolerance for a, b in zip(image.getpixel(at), colour, strict=True))


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")


FORMATS = {
    "jpeg": encoded(noise(), "JPEG"),
    "progressive": encoded(noise(), "JPEG", progressive=True),
    "cmyk": encoded(noise(mode="CMYK"), "JPEG"),
    "png": encoded(noise(), "PNG"),
    "gif": encoded(noise().convert("P"), "GIF"),
    "webp": encoded(noise(), "WEBP"),
    "webp lossless": encoded(noise(), "WEBP", lossless=True),
    "bmp": encoded(noise(), "BMP"),
    "tiff": encoded(noise(), "TIFF"),
    "tiff lzw": encoded(noise(), "TIFF", compression="tiff_lzw"),
    "ppm": encoded(noise(), "PPM"),
}
if ".avif" in KINDS:
    FORMATS["avif"] = encoded(noise(), "AVIF")


@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS.keys())
def test_every_format_comes_as_rgb_of_its_own_size(data):
    image = decode_image(data)
    assert (image.mode, image.size) == ("RGB", (97, 61))
    assert image_size(data) == (97, 61)


def test_lossless_pixels_are_kept():
    assert np.array_equal(np.asarray(decode_image(FORMATS["png"])), np.asarray(noise()))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", *(["AVIF"] if ".avif" in KINDS else [])])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(file_format, orientation):
    upright = corners()
    # What a camera stores is the inverse of what a viewer does.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(upright.transpose(stored) if stored is not None else upright, file_format, exif=exif)
    image = decode_image(data)
    assert image.size == (40, 24) == image_size(data)
    assert close(image, (255, 0, 0), (4, 4), 40)
    assert close(image, (0, 255, 0), (35, 4), 40)
    assert close(image, (0, 0, 255), (4, 20), 40)
    assert image.getexif().get(ORIENTATION) is None


def test_broken_exif_does_not_spoil_a_picture():
    data = encoded(corners(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff")
    assert decode_image(data).size == image_size(data) == (40, 24)


def palette_with_transparency():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    return encoded(image, "PNG", transparency=1)


def half_transparent(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    return encoded(image.convert(mode), "PNG")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_is_white(mode):
    image = decode_image(half_transparent(mode))
    assert [image.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (127, 127, 127), (255, 255, 255)]


def test_transparent_palette_entries_are_white():
    image = decode_image(palette_with_transparency())
    assert (image.getpixel((0, 0)), image.getpixel((1, 1))) == ((255, 0, 0), (255, 255, 255))


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 7, 7)), ("I;16", 7)])
def test_a_transparent_colour_is_white(mode, key):
    image = Image.new(mode, (4, 4), key)
    image.putpixel((0, 0), 0 if mode != "RGB" else (0, 0, 0))
    image = decode_image(encoded(image, "PNG", transparency=key))
    assert (image.getpixel((0, 0)), image.getpixel((1, 1))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 255, 255), (0, 0, 0), (0, 128, 255)])
def test_cmyk_jpeg_keeps_its_colours(colour):
    assert close(decode_image(encoded(Image.new("RGB", (16, 16), colour).convert("CMYK"), "JPEG")), colour)


@pytest.mark.parametrize(
    ("stored", "colour"), [((0, 128, 128, 255), (255, 255, 255)), ((179, 171, 1, 255), (255, 0, 0))]
)
def test_adobe_ycck_is_not_negative(stored, colour):
    # Pillow writes CMYK with the Adobe marker, inverted; the marker's transform 2 makes the same bands YCCK.
    bands = [Image.new("L", (16, 16), 255 - value) for value in stored]
    data = bytearray(encoded(Image.merge("CMYK", bands), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    assert close(decode_image(bytes(data)), colour)


def test_16_bit_grey_is_scaled_and_not_clipped():
    ramp = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    image = decode_image(encoded(Image.fromarray(ramp), "PNG"))
    assert [image.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_looks_the_same_in_every_format(file_format):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    image = decode_image(encoded(Image.fromarray(ramp), file_format))
    assert np.abs(np.asarray(image)[..., 0].astype(int) - (ramp >> 8)).max() <= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 65535]], np.int32), [0, 255]),
        (np.array([[-100, 100]], np.int32), [0, 255]),
        (np.array([[0, 2**31 - 1]], np.int32), [0, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[np.nan, 1.0, np.inf]], np.float32), [0, 255, 0]),
        (np.array([[-1.0, 1.0]], np.float32), [0, 255]),
        (np.array([[7.0, 7.0]], np.float32), [7, 7]),
        (np.array([[-7.0, -7.0]], np.float32), [0, 0]),
    ],
)
def test_grey_without_a_range_is_scaled(values, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode_image(encoded(Image.fromarray(values), "TIFF"))
    assert [image.getpixel((x, 0))[0] for x in range(len(expected))] == expected


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("1", "TIFF"), ("L", "TIFF"), ("P", "PNG"), ("CMYK", "TIFF"), ("LAB", "TIFF")],
)
def test_other_modes_come_as_rgb(mode, file_format):
    assert decode_image(encoded(Image.new(mode, (8, 8)), file_format)).mode == "RGB"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(file_format):
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(red, file_format, save_all=True, append_images=[blue], **options)
    assert decode_image(data).getpixel((3, 3)) == (255, 0, 0)


def test_a_jpeg_is_decoded_smaller_only_on_request_and_stays_twice_as_large():
    data = encoded(Image.new("RGB", (1600, 1000)), "JPEG")
    assert decode_image(data).size == (1600, 1000)
    for min_side in (1, 50, 63, 224, 250, 500, 5000):
        image = decode_image(data, min_side=min_side)
        assert min(image.size) >= min(2 * min_side, 1000)
        assert image.size[0] / image.size[1] == pytest.approx(1.6, rel=0.02)
    assert decode_image(data, min_side=50).size == (200, 125)
    assert decode_image(FORMATS["png"], min_side=1).size == (97, 61)


@pytest.mark.slow
def test_100_megapixels_can_be_decoded():
    data = encoded(Image.new("1", (10_000, 10_000), 1), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode_image(data)
    assert image.size == (10_000, 10_000)
    assert image.getpixel((9_999, 9_999)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(12_000, 12_000), (2**31 - 1, 2**31 - 1), (MAX_PIXELS + 1, 1)])
def test_a_larger_picture_fails_with_its_size_and_the_limit(size):
    with pytest.raises(ItemError, match=rf"{size[0]} x {size[1]}.*134,217,728"):
        decode_image(png_header(*size))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just a note\n", "not a picture: text found"),
        (b"BMW is a car maker", "not a picture: text found"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "not a picture: HTML found"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture: SVG found"),
        (b"%PDF-1.7\n", "not a picture: PDF found"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\x01\x02\x03" * 9, "not a picture: unknown data found"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "cut off in its header"),
    ],
)
def test_what_is_not_a_picture_says_what_it_is(data, reason):
    with pytest.raises(ItemError, match=reason):
        decode_image(data)
    assert image_size(data) is None


@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS.keys())
def test_a_truncated_picture_is_never_shown_half(data):
    whole = np.asarray(decode_image(data))
    for cut in [*range(1, len(data), len(data) // 40), *range(len(data) - 20, len(data))]:
        try:
            image = decode_image(data[:cut])
        except ItemError:
            continue
        # What was cut off was no pixel.
        assert np.array_equal(np.asarray(image), whole), cut


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "bmp", "tiff", "ppm"])
def test_a_truncated_picture_says_so(name):
    with pytest.raises(ItemError, match="truncated"):
        decode_image(FORMATS[name][: len(FORMATS[name]) // 2])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.sampled_from([30, 300, 10**9]),
)
def test_corrupt_data_give_a_picture_or_an_item_error(name, edits, within):
    data = bytearray(FORMATS[name])
    for position, value in edits:
        data[int(position * min(within, len(data)))] = value
    image_size(bytes(data))
    with suppress(ItemError):
        assert decode_image(bytes(data)).mode == "RGB"


@pytest.mark.parametrize(
    "error",
    [
        OSError("x"),
        SyntaxError("x"),
        ValueError(),
        IndexError("x"),
        OverflowError(),
        struct.error(),
        zlib.error(),
    ],
)
def test_whatever_pillow_raises_becomes_an_item_error(monkeypatch, error):
    def load(self):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(ItemError, match=f"corrupt or truncated picture .{type(error).__name__}"):
        decode_image(FORMATS["png"])


def test_no_memory_and_pillows_own_limit_are_named(monkeypatch):
    def fails(error):
        def load(self):
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", load)

    fails(MemoryError())
    with pytest.raises(ItemError, match="does not fit into memory"):
        decode_image(FORMATS["png"])
    fails(Image.DecompressionBombError("too large"))
    with pytest.raises(ItemError, match="too many pixels"):
        decode_image(FORMATS["png"])


def test_another_librarys_leniency_is_refused(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(TerminalError, match="LOAD_TRUNCATED_IMAGES"):
        decode_image(FORMATS["jpeg"])


def test_pillows_settings_are_neither_read_nor_changed(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_image(FORMATS["jpeg"]).size == (97, 61)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_threads_decode_side_by_side():
    names = sorted(FORMATS) * 5
    alone = {name: decode_image(FORMATS[name]).tobytes() for name in FORMATS}
    with ThreadPoolExecutor(8) as pool:
        images = pool.map(lambda name: decode_image(FORMATS[name]).tobytes(), names)
        assert all(image == alone[name] for name, image in zip(names, images, strict=True))


def test_the_size_of_a_file_is_read_from_its_header(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_header(123, 45))
    assert image_size(path) == image_size(str(path)) == (123, 45)
    assert image_size(tmp_path / "missing.png") is None


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), ("gr\u00fcn".encode(), "gr\u00fcn"), (b"\xef\xbb\xbfa\r\n", "a\r\n"), (b"\0", "\0")],
)
def test_text_is_utf_8_without_its_mark(data, text):
    assert decode_text(data) == text


@pytest.mark.parametrize(
    ("data", "offset"), [(b"ab\xff", 2), (b"\xef\xbb\xbfab\xffc", 5), (b"\xc3", 0), (b"\xed\xa0\x80", 0)]
)
def test_other_text_fails_with_the_byte(data, offset):
    with pytest.raises(ItemError, match=f"offset {offset}"):
        decode_text(data)
