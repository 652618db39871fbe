"""Bytes to pictures and texts, or to an `ItemError` that says what is wrong with them.

Nothing here reads or changes Pillow's process-wide settings, so it can run in any number of threads.
"""

from __future__ import annotations

import codecs
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from embeddings_orch.errors import ItemError, TerminalError

MAX_PIXELS = 2**27
"""Width times height of the largest picture that is decoded (134 megapixels, 0.5 GB as Pillow holds them)."""

# By name, so that formats which start other programs (EPS starts Ghostscript) are never tried.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM")

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

_SIGNATURES = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"version https://git-lfs.github.com", "a Git LFS pointer (run `git lfs pull`)"),
    (b"%pdf", "PDF"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
)
_SIGNS_OF_TRUNCATION = ("truncated", "premature end", "not enough")


def decode_image(data: bytes, *, min_side: int | None = None) -> Image.Image:
    """Decode a picture to 8-bit RGB: upright, white where it is transparent, the first frame of an animation.

    Grey of 16 bits is scaled, not clipped. Integers of 32 bits count as 16-bit grey where they fit, floats as
    0..1, 0..255 or 0..65535, the smallest that fits; else the range found becomes black to white.

    Args:
        data: the encoded picture.
        min_side: the side that the caller scales the picture down to. A JPEG may then be decoded smaller than
            it is, which is faster, yet with no side shorter than ``2 * min_side``.

    Raises:
        ItemError: empty, not a picture, truncated, corrupt, or more than `MAX_PIXELS`.
        TerminalError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is set.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise TerminalError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set: truncated pictures would come half grey; unset it"
        )
    image = _open(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ItemError(f"too many pixels: {width} x {height}; the limit is {MAX_PIXELS:,} in all")
    try:
        if min_side and image.format in ("JPEG", "MPO"):
            image.draft(None, (2 * min_side, 2 * min_side))
        image.load()
        turn = _TRANSPOSED.get(orientation(image))
        rgb = _rgb(image)
        # Without its orientation, so that nobody turns it twice.
        rgb.info = {}
        return rgb if turn is None else rgb.transpose(turn)
    except Exception as error:
        raise ItemError(_reason(error)) from error


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
        image = identify(file)
        if image is None:
            return None
        width, height = image.size
        # Pillow has already turned the size of a TIFF.
        turned = isinstance(image, TiffImagePlugin.TiffImageFile)
        swapped = not turned and orientation(image) in _SIDES_SWAPPED
    except Exception:
        # Whatever is wrong with the header, decoding it says so.
        return None
    return (height, width) if swapped else (width, height)


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


def _open(data: bytes) -> ImageFile.ImageFile:
    if not data:
        raise ItemError("empty file")
    try:
        image = identify(BytesIO(data))
    except Exception as error:
        if _looks_like_text(data):
            raise ItemError(f"not a picture: {_describe_bytes(data)} found") from error
        raise ItemError(_reason(error)) from error
    if image is None:
        raise ItemError(f"not a picture: {_describe_bytes(data)} found")
    return image


def identify(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """A picture whose header was read, None where it is of no format that is decoded here."""
    # Not Image.open: it applies Image.MAX_IMAGE_PIXELS, which is one setting for the whole process.
    Image.init()
    prefix = file.read(16)
    for name in _FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        # A string instead of True says that Pillow was built without what the format needs.
        if factory is not None and accept is not None and accept(prefix) is True:
            file.seek(0)
            return factory(file, "")
    return None


def orientation(image: ImageFile.ImageFile) -> int:
    """EXIF's orientation, 1 to 8; 1 is upright."""
    try:
        # Not PngImageFile.getexif, which decodes the whole picture to look behind it.
        return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Broken metadata do not spoil the picture.
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _grey(image).convert("RGB")
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


def _grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8) if image.mode.startswith("I;16") else _scale(values)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _scale(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey without a fixed range to 8 bits."""
    numbers = np.nan_to_num(values.astype(np.float64), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    ranges = (65535.0,) if values.dtype.kind in "iu" else (1.0, 255.0, 65535.0)
    full = next((top for top in ranges if low >= 0 and high <= top), None)
    if full is None:
        numbers -= low
        full = high - low or 1.0
    numbers *= 255.0 / full
    return np.rint(numbers).astype(np.uint8)


def _reason(error: Exception) -> str:
    message = str(error).strip().rstrip(".")
    if isinstance(error, MemoryError):
        return "the picture does not fit into memory"
    if isinstance(error, EOFError) or any(sign in message.lower() for sign in _SIGNS_OF_TRUNCATION):
        return f"truncated picture ({message or 'its end is missing'})"
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels ({message})"
    return f"corrupt or truncated picture ({type(error).__name__}{': ' if message else ''}{message})"


def _describe_bytes(data: bytes) -> str:
    start = data[:64].lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("ascii", "replace").strip()
        return f"{brand.upper()} (convert it to JPEG or PNG)"
    return "text" if _looks_like_text(data) else "unknown data"


def _looks_like_text(data: bytes) -> bool:
    # A character can be cut at the end of the sample, so the decoder is not told that it ends.
    sample = data[:512]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\r\n\ufeff" for character in text)
