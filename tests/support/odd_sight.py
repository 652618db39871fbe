"""A provider that sees: the same pixels have the same vector, whatever file they come from; other pixels another."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.content import Item, Modality

SIDES = (12, 9)
DIMENSIONS = 12 * 9 * 3


class SightConfig(EmbedderConfig):
    """It has no settings of its own."""

    provider: ClassVar[str] = "sight"


class SightEmbedder(Embedder[SightConfig]):
    """A picture's vector is the picture, made small; a text's follows from its hash."""

    config_class: ClassVar[type[EmbedderConfig]] = SightConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})

    def dimensions(self) -> int:
        return DIMENSIONS

    def prepare(self, item: Item) -> Any:
        if item.modality == "text":
            return item.content
        assert isinstance(item.content, bytes)
        small = decode_image(item.content).resize(SIDES, Image.Resampling.BOX)
        return np.asarray(small, np.float32).ravel() / 255 - 0.401  # so that no picture of one colour is zero

    def embed(self, batch: Batch) -> EmbedResult:
        return EmbedResult(np.stack([_vector(content) for content in batch.contents]))


def _vector(content: Any) -> Any:
    if not isinstance(content, str):
        return content
    seed = int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
