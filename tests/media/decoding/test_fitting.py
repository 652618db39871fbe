"""What a model looks at of a long picture: the same as of the whole, without its memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.media.decoding.fitting import MAX_RESIZED, is_oversized, resize_cut_out

SIDE = 32


def waves(width: int, height: int) -> Image.Image:
    """Without overshoot, which each of Pillow's two passes clips, in an order that hangs on the sizes."""
    y, x = np.mgrid[0:height, 0:width]
    bands = [np.sin(x / 17) * 80 + 120, np.cos(y / 23) * 70 + 120, np.sin((x + y) / 31) * 90 + 120]
    return Image.fromarray(np.rint(np.stack(bands, -1)).astype(np.uint8))


def middle(width: int, height: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The size with a shorter side of `SIDE`, and the box in its middle."""
    size = (SIDE * width // min(width, height), SIDE * height // min(width, height))
    left, top = (round((side - SIDE) / 2) for side in size)
    return size, (left, top, left + SIDE, top + SIDE)


@pytest.mark.parametrize("resample", [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("sides", [(120, 90), (1, 300), (700, 31), (33, 517), (32, 32)])
def test_it_is_the_crop_of_the_resized_picture_but_for_rounding(sides, resample):
    image = waves(*sides)
    size, box = middle(*sides)
    whole = np.asarray(image.resize(size, resample).crop(box)).astype(int)
    assert np.abs(np.asarray(resize_cut_out(image, size, box, resample)) - whole).max() <= 1


@pytest.mark.parametrize("sides", [(40_000, 2), (2, 100_000)])
def test_far_from_the_start_it_is_so_too(sides):
    image = waves(*sides)
    size, box = middle(*sides)
    # The middle is the same in a shorter picture of the same middle.
    start = (max(sides) - 200) // 2
    part = image.crop((start, 0, start + 200, 2) if sides[1] == 2 else (0, start, 2, start + 200))
    smaller, its_box = middle(*part.size)
    whole = np.asarray(part.resize(smaller, Image.Resampling.BICUBIC).crop(its_box)).astype(int)
    assert np.abs(np.asarray(resize_cut_out(image, size, box)) - whole).max() <= 1


def test_a_line_costs_what_its_middle_costs():
    # Whole it would be 224 x 58,720,256 pixels.
    line = Image.new("L", (1, 2**18), 7)
    height = 224 * 2**18
    cut = resize_cut_out(line, (224, height), (0, height // 2, 224, height // 2 + 224))
    assert cut.size == (224, 224)
    assert cut.getextrema() == (7, 7)


def test_ordinary_pictures_are_resized_as_a_whole():
    assert not is_oversized((224 * 83, 224))
    assert is_oversized((224 * 84, 224))
    assert MAX_RESIZED == 2**22
