from __future__ import annotations

from embeddings_orch.testing import CountingConfig
from embeddings_orch.testing.conformance import EmbedderConformance


class TestCounting(EmbedderConformance):
    tolerance = 1e-6
    golden = "x"

    def make_config(self):
        return CountingConfig(decode=True)
