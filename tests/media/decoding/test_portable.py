"""Pictures for servers: as they are where everybody reads them alike, else as we see them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.media.decoding.portable import portable_image


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (40, 30, 4), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert(mode).save(data, kind, **options)
    return data.getvalue()


def palette() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").convert("P").save(data, "PNG")
    return data.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif)


def sixteen_bits() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(40, 30) * 50).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (encoded("JPEG"), "image/jpeg"),
        (encoded("JPEG", "L"), "image/jpeg"),
        (encoded("PNG"), "image/png"),
        (encoded("PNG", "L"), "image/png"),
        (palette(), "image/png"),
        (encoded("PNG") + b"something behind it", "image/png"),
    ],
)
def test_a_plain_picture_is_sent_as_it_is(data, mime):
    assert portable_image(data) == (data, mime)


@pytest.mark.parametrize(
    "data",
    [
        encoded("WEBP"),
        encoded("GIF"),
        encoded("TIFF"),
        encoded("BMP"),
        encoded("JPEG", "CMYK"),
        encoded("PNG", "RGBA"),
        encoded("PNG", "LA"),
        encoded("PNG", "P", transparency=0),
        encoded("PNG", save_all=True, append_images=[Image.new("RGB", (30, 40))]),
        turned(),
        sixteen_bits(),
    ],
    ids=["webp", "gif", "tiff", "bmp", "cmyk", "rgba", "la", "transparent", "animated", "turned", "sixteen"],
)
def test_any_other_is_sent_as_we_see_it(data):
    sent, mime = portable_image(data)
    assert mime == "image/png"
    assert sent != data
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, image.mode, getattr(image, "n_frames", 1)) == ("PNG", "RGB", 1)
        assert np.array_equal(np.asarray(image), np.asarray(decode_image(data)))
    assert portable_image(sent) == (sent, mime)


@pytest.mark.parametrize(
    "data",
    [b"", b"text", encoded("JPEG")[:-600], encoded("PNG")[:300], encoded("WEBP")[:100]],
    ids=["empty", "text", "jpeg", "png", "webp"],
)
def test_a_broken_one_is_an_item_error(data):
    with pytest.raises(ItemError):
        portable_image(data)
