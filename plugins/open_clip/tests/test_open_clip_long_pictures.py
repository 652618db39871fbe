"""Long and thin pictures: the vector of the whole, without the memory of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embeddings_orch.media.decoding import fitting
from embeddings_orch.models.content import Item

from .conftest import encoded, picture
from .test_open_clip_embedder import EMOJI_S, distance, embedder_of, image_vectors


@pytest.mark.parametrize("size", [(1, 10_000), (100_000, 1)])
@pytest.mark.parametrize("way", ["shortest", "longest", "squash"])
def test_a_line_is_embedded_in_little_memory(tinies: dict[str, Path], way: str, size: tuple[int, int]) -> None:
    # A whole resize of the latter would have 48 x 4,800,000 pixels.
    data = encoded(picture(*size).convert("L"))
    pixels: Any = embedder_of(tinies[way]).prepare(Item(b"0", "image", data))
    assert tuple(pixels.shape) == (3, 48, 48)


@pytest.mark.parametrize("size", [(640, 60), (40, 1000)])
def test_the_middle_alone_gives_the_vector_of_the_whole(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    embedder = embedder_of(EMOJI_S)
    files = [encoded(picture(*size))]
    whole = image_vectors(embedder, files)
    monkeypatch.setattr(fitting, "MAX_RESIZED", 64 * 64)
    assert distance(image_vectors(embedder, files), whole) <= 1e-5
