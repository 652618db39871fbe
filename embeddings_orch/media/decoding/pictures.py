"""Bytes to pictures and texts, or to an `ItemError` that says what is wrong with them.

Nothing here reads or changes Pillow's process-wide settings, so it can run in any number of threads.
"""

from __future__ import annotations

import codecs
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, TiffImagePlugin

from embeddings_orch.errors import ItemError, TerminalError
from embeddings_orch.media.decoding.cut_off import check_whole
from embeddings_orch.media.decoding.formats import identify, identify_mended, orientation
from embeddings_orch.media.decoding.grey import grey_of_8_bits, is_grey_beyond_8_bits, row_bands
from embeddings_orch.media.decoding.limits import (
    LARGE_AREA,
    WEBP_HEADER,
    check_density,
    check_scans,
    check_size,
    webp_size,
)
from embeddings_orch.media.decoding.mending import mended
from embeddings_orch.media.decoding.unreadable import describe_bytes, looks_like_text, reason_of

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_SWAPPED = (5, 6, 7, 8)
_UPRIGHT = 1
_JPEG_FORMATS = ("JPEG", "MPO")
_DENSE_FORMATS = ("WEBP", "AVIF")


def decode_image(data: bytes, *, min_side: int | None = None) -> Image.Image:
    """Decode a picture to 8-bit RGB: upright, white where it is transparent, the first frame of an animation.

    Grey of more than 8 bits is scaled, not clipped, by what the file declares or its values show: see
    `embeddings_orch.media.decoding.grey.grey_of_8_bits`. Metadata that are broken or too large are passed over.

    Args:
        data: the encoded picture.
        min_side: the side that the caller scales the picture down to. A JPEG may then be decoded smaller than
            it is, which is faster, yet with no side shorter than ``2 * min_side``.

    Raises:
        ItemError: empty, not a picture, truncated, corrupt, or more than `MAX_PIXELS` or another limit allows.
        TerminalError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is set.
    """
    if not data:
        raise ItemError("empty file")
    try:
        return decode_sound(data, min_side)
    except (ItemError, TerminalError):
        raise
    except Exception as error:
        if looks_like_text(data) and _header(data) is None:
            raise ItemError(f"not a picture: {describe_bytes(data)} found") from error
        sound = mended(data)
        if sound is None:
            raise ItemError(reason_of(error, data)) from error
    try:
        return decode_sound(sound, min_side)
    except (ItemError, TerminalError):
        raise
    except Exception as error:
        raise ItemError(reason_of(error, sound)) from error


def decode_sound(data: bytes, min_side: int | None) -> Image.Image:
    """`decode_image` of a file whose metadata Pillow takes as they are.

    Raises:
        ItemError: no picture, or more than a limit allows.
        TerminalError: as `decode_image`.
        Exception: whatever Pillow raises of what is broken.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise TerminalError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set: truncated pictures would come half grey; unset it"
        )
    image = identify(BytesIO(data))
    if image is None:
        raise ItemError(f"not a picture: {describe_bytes(data)} found")
    check_size(image.size)
    if image.format in _DENSE_FORMATS:
        check_density(image.size, len(data))
    if image.format in _JPEG_FORMATS:
        check_scans(data, image.size)
        check_whole(data)
        if min_side:
            image.draft(None, (2 * min_side, 2 * min_side))
    image.load()
    turn = _TRANSPOSED.get(orientation(image))
    rgb = _rgb(image)
    # Without its orientation, so that nobody turns it twice.
    rgb.info = {}
    return rgb if turn is None else rgb.transpose(turn)


def image_size(source: bytes | str | PathLike[str]) -> tuple[int, int] | None:
    """Width and height of a picture as shown (turned upright), from its header; None if it is no picture.

    Example:
        >>> image_size(b"not a picture") is None
        True
    """
    try:
        with BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            return stream_size(file)
    except OSError:
        return None


def stream_size(file: IO[bytes]) -> tuple[int, int] | None:
    """`image_size` of an open file."""
    try:
        image = identify_mended(file)
        if image is None:
            return None
        width, height = image.size
        # Pillow has already turned the size of a TIFF.
        turned = isinstance(image, TiffImagePlugin.TiffImageFile)
        swapped = not turned and orientation(image) in _SIDES_SWAPPED
    except ItemError:
        file.seek(0)
        return webp_size(file.read(WEBP_HEADER))
    except Exception:
        # Whatever is wrong with the header, decoding it says so.
        return None
    return (height, width) if swapped else (width, height)


def image_orientation(data: bytes) -> int:
    """EXIF's orientation of a picture, 1 to 8, from its header; 1, upright, where it says none or is no picture."""
    try:
        image = identify_mended(BytesIO(data))
    except Exception:
        return _UPRIGHT
    return orientation(image) if image is not None else _UPRIGHT


def decode_text(data: bytes) -> str:
    """Decode UTF-8, without its byte order mark.

    Raises:
        ItemError: it is not UTF-8; the message names the first byte that is not.
    """
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        culprit = f"byte {data[offset]:#04x} at offset {offset}"
        raise ItemError(f"not UTF-8 text: {culprit}; save it as UTF-8") from error


def _header(data: bytes) -> ImageFile.ImageFile | None:
    try:
        return identify(BytesIO(data))
    except Exception:
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if is_grey_beyond_8_bits(image):
        image = grey_of_8_bits(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        # The same pixels: a copy of a large picture is half a gigabyte.
        return image._new(image.im)
    width, height = image.size
    if width * height <= LARGE_AREA:
        return _opaque(image)
    rgb = Image.new("RGB", image.size)
    for box in row_bands(image.size):
        rgb.paste(_opaque(image.crop(box)), box[:2])
    return rgb


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode not in ("RGBA", "LA", "PA", "RGBa") and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white
