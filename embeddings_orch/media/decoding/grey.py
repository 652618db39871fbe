"""Grey of more than 8 bits to 8: by the range that the file declares, else by the one that its values show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

BAND_PIXELS = 2**22
"""Pixels that are worked on at a time, where a large picture would be held several times over."""

_INTEGER_TOPS = (255.0, 1023.0, 4095.0, 65535.0)
"""White of 8, 10, 12 and 16 bits. Not of 14: a dark picture of 16 bits would look the same."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _S_MIN, _S_MAX = 258, 262, 340, 341
_WHITE_IS_ZERO = 0
_FULL_16 = (0.0, 65535.0)


def is_grey_beyond_8_bits(image: Image.Image) -> bool:
    """Whether a picture has one channel of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def grey_of_8_bits(image: Image.Image) -> Image.Image:
    """A picture of `is_grey_beyond_8_bits` in 8 bits, mode L, with 0 black whichever way the file counts.

    Black and white are what a TIFF declares (SMinSampleValue and SMaxSampleValue, or 12 BitsPerSample). Else integers
    count as the fewest of 8, 10, 12 and 16 bits that hold them, and floats as 0..1 or as these. What fits none
    of them has its lowest value black and its highest white.
    """
    black, white = _declared_range(image) or _range_of_values(image)
    negative = isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    transparent = image.info.get("transparency")
    grey = Image.new("L", image.size)
    for top, values in _bands(image):
        pixels = _scale(values, black, white)
        if negative:
            pixels = 255 - pixels
        if isinstance(transparent, int):
            pixels[values == transparent] = 255
        grey.paste(Image.fromarray(pixels), (0, top))
    return grey


def row_bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes that cover a picture from top to bottom, of whole rows and some `BAND_PIXELS` each."""
    width, height = size
    rows = max(1, BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[Any]]]:
    for box in row_bands(image.size):
        yield box[1], np.asarray(image.crop(box))


def _declared_range(image: Image.Image) -> tuple[float, float] | None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    low, high = (_number(image.tag_v2.get(tag)) for tag in (_S_MIN, _S_MAX))
    if high is not None and (low or 0.0) < high:
        return low or 0.0, high
    bits = _number(image.tag_v2.get(_BITS_PER_SAMPLE))
    # Of 16 and more the samples may use a part.
    return (0.0, 2.0**bits - 1) if bits is not None and 8 < bits < 16 else None


def _number(value: Any) -> float | None:
    if isinstance(value, tuple):
        value = value[0] if len(value) == 1 else None
    try:
        return float(value) if value is not None and np.isfinite(float(value)) else None
    except (TypeError, ValueError):
        return None


def _range_of_values(image: Image.Image) -> tuple[float, float]:
    lows, highs = zip(*(_extremes(values) for _, values in _bands(image)), strict=True)
    low, high = min(lows), max(highs)
    tops = _INTEGER_TOPS if image.mode.startswith("I") else (1.0, *_INTEGER_TOPS)
    white = next((top for top in tops if low >= 0 and high <= top), None)
    return (0.0, white) if white is not None else (low, high if high > low else low + 1.0)


def _extremes(values: NDArray[Any]) -> tuple[float, float]:
    # What is not finite is black, as below.
    finite = values if values.dtype.kind in "iu" else _finite(values)
    return float(finite.min()), float(finite.max())


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _scale(values: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    if values.dtype.itemsize == 2 and (black, white) == _FULL_16:
        return (values >> 8).astype(np.uint8)
    numbers = _finite(values)
    numbers -= black
    numbers *= 255.0 / (white - black)
    return np.rint(numbers.clip(0, 255, out=numbers)).astype(np.uint8)
