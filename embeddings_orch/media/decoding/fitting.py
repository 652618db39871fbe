"""The part of a resized picture that a model looks at, without the rest of it.

A picture of 1 x 10,000 whose shorter side becomes 224 has half a thousand million pixels, of which 50,000 are read.
"""

from __future__ import annotations

import math

from PIL import Image

MAX_RESIZED = 2**22
"""Pixels up to which a picture is resized as a whole, as the models' own code does: a ratio of 1:83 for 224."""

_MARGIN = 4
"""Pixels of the larger picture that each filter sees beyond one, and one for rounding; Lanczos sees 3."""


def is_oversized(size: tuple[int, int]) -> bool:
    """Whether a picture of this width and height is cut out rather than resized as a whole."""
    return size[0] * size[1] > MAX_RESIZED


def resize_cut_out(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """What ``image.resize(size, resample).crop(box)`` gives but for rounding, by time and memory of the box alone.

    Args:
        image: the picture.
        size: width and height that it would be resized to.
        box: left, top, right and bottom of the part wanted, in pixels of that size and within it.
        resample: Pillow's filter.
    """
    left, top, right, bottom = box
    across = _source(left, right, image.width, size[0])
    down = _source(top, bottom, image.height, size[1])
    # First whole pixels: Pillow takes the box as 32-bit floats, which are coarse far from the start.
    part = image.crop((across[0], down[0], across[1], down[1]))
    return part.resize((right - left, bottom - top), resample, (across[2], down[2], across[3], down[3]))


def _source(start: int, end: int, length: int, resized: int) -> tuple[int, int, float, float]:
    """Of one side: the pixels to cut out, from and to, and what of them is wanted."""
    scale = length / resized
    margin = math.ceil(_MARGIN * max(scale, 1.0))
    low, high = start * scale, min(end * scale, length)
    first, last = max(0, math.floor(low) - margin), min(length, math.ceil(high) + margin)
    return first, last, low - first, high - first
