from __future__ import annotations

from embeddings_orch_plugins.open_clip import OpenClipConfig

from embeddings_orch.testing.conformance import EmbedderConformance


class TestBundledClip(EmbedderConformance):
    variations = {
        "name": ["ViT-B-16", "ViT-L-14"],
        "pretrained": ["openai", "laion400m_e32"],
        "weights_sha256": ["0" * 64],
        "device": ["cpu", "cuda:1"],
    }
    # The weights are no part of it, so it holds on every machine.
    golden = "x"

    def make_config(self):
        return OpenClipConfig(name="emoji-s", device="cpu")

    def make_fingerprint_config(self):
        return OpenClipConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k")
