from __future__ import annotations

from typing import ClassVar

import pytest

from embeddings_orch_plugins.sentence_transformers import InstructorConfig, SentenceTransformersConfig
from embeddings_orch_testing.conformance import EmbedderConformance

from .conftest import MINILM, save_clip, save_instructor

PLACES = {
    "weights_sha256": ["0" * 64],
    "device": ["cpu", "auto", "cuda:1"],
    "cache_dir": ["elsewhere"],
    "batch_size": [7],
}


class TestMiniLM(EmbedderConformance):
    variations: ClassVar = PLACES
    count = 60
    # Of a hub name: it holds on every machine, with or without the model.
    golden = "7244a847f16ff4e9b14123ec93203632c11d5f8652a0b873b5199d3e94ae1efb"

    def make_config(self):
        return SentenceTransformersConfig(name=MINILM, device="cpu")

    def make_fingerprint_config(self):
        return SentenceTransformersConfig()


class TestTinyClip(EmbedderConformance):
    variations: ClassVar = PLACES
    count = 60

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _model(cls, tmp_path_factory):
        cls.folder = save_clip(tmp_path_factory.mktemp("clip") / "model")

    def make_config(self):
        return SentenceTransformersConfig(name=str(self.folder), device="cpu")

    def make_fingerprint_config(self):
        return SentenceTransformersConfig()


class TestTinyInstructor(EmbedderConformance):
    variations: ClassVar = PLACES
    count = 60
    golden = "9045fecfc99c988eebb517e89dc68feea3bd5ea1597126d8128bd2e0a48b44d2"

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _model(cls, tmp_path_factory):
        cls.folder = save_instructor(tmp_path_factory.mktemp("instructor") / "model")

    def make_config(self):
        return InstructorConfig(name=str(self.folder), device="cpu")

    def make_fingerprint_config(self):
        return InstructorConfig()
