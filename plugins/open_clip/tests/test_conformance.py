from __future__ import annotations

from typing import ClassVar

import pytest

from embeddings_orch_plugins.open_clip import OpenClipConfig
from embeddings_orch_testing.conformance import EmbedderConformance


class TestBundledClip(EmbedderConformance):
    variations: ClassVar = {
        "name": ["ViT-B-16", "ViT-L-14"],
        "pretrained": ["openai", "laion400m_e32"],
        "weights_sha256": ["0" * 64],
        "device": ["cpu", "auto", "cuda:1"],
        "cache_dir": ["elsewhere"],
        "execution_providers": [["CPUExecutionProvider"]],
    }
    # Of weights that a tag names: it holds on every machine, with or without them.
    golden = "2c0fb8bff24c5d49613c32009cf679da56e23663be80b3ba6fbebcbfb4c505b9"

    def make_config(self):
        return OpenClipConfig(name="emoji-s", device="cpu")

    def make_fingerprint_config(self):
        return OpenClipConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k")


@pytest.mark.slow
class TestBundledClipByOnnx(TestBundledClip):
    golden = "e5c9c8b73ec6971e70306f0ae0b9765801c6dd72fbb46dddb3bd438d04e42678"

    @pytest.fixture(autouse=True)
    def _exported_once(self, exports, own_cache, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(exports))

    def make_config(self):
        return OpenClipConfig(name="emoji-s", device="cpu", backend="onnx")

    def make_fingerprint_config(self):
        return OpenClipConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k", backend="onnx")
