from __future__ import annotations

from typing import ClassVar

import pytest

from embeddings_orch.models.content import Item, content_hash, content_key
from embeddings_orch_plugins.imagebind import ImageBindConfig
from embeddings_orch_testing.conformance import EmbedderConformance

from .conftest import sound, wav


class TestTinyImageBind(EmbedderConformance):
    variations: ClassVar = {
        "weights_sha256": ["0" * 64],
        "device": ["cpu", "auto", "cuda:1"],
        "weights": ["elsewhere.pth"],
        "batch_size": [7],
    }
    count = 30
    # Of weights that are pinned: it holds on every machine, with or without them.
    golden = "f94a2ac36c9dec844e6ade0095b9ba8a4b84b276f55de85da7f9e550784253f4"

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _model(cls, tiny):
        cls.weights = tiny

    def make_config(self):
        return ImageBindConfig(name="own", weights=str(self.weights), device="cpu")

    def make_fingerprint_config(self):
        return ImageBindConfig(weights_sha256="ab" * 32)

    def make_items(self, count):
        texts, images = self.make_texts(count), self.make_images(count)
        sounds = [wav(sound(110 + 40 * number, 1 + number % 3)) for number in range(count)]
        turns = (("text", texts), ("image", images), ("audio", sounds))
        mixed = [(turns[number % 3][0], turns[number % 3][1][number]) for number in range(count)]
        return [Item(content_key(kind, content_hash(content)), kind, content, kind) for kind, content in mixed]
