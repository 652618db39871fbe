"""Long and thin pictures: the pixels of the whole, without the memory of the whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from embeddings_orch.media.decoding import fitting
from embeddings_orch_plugins.imagebind.preprocess import STD, pixels


def png(width: int, height: int) -> bytes:
    y, x = np.mgrid[0:height, 0:width]
    bands = [np.sin(x / 17) * 80 + 120, np.cos(y / 23) * 70 + 120, np.sin((x + y) / 31) * 90 + 120]
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.stack(bands, -1)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(1, 10_000), (100_000, 1)])
def test_a_line_is_prepared_in_little_memory(size: tuple[int, int]) -> None:
    # A whole resize of the latter would have 22,400,000 x 224 pixels.
    assert tuple(pixels(png(*size)).shape) == (3, 224, 224)


def test_the_middle_alone_has_the_pixels_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pixels(png(40, 500))
    monkeypatch.setattr(fitting, "MAX_RESIZED", 224 * 224)
    one_step = 1 / 255 / min(STD)
    assert torch.abs(pixels(png(40, 500)) - whole).max() <= 1.01 * one_step
