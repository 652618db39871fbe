"""For tests of plugins and pipelines: the conformance suite and a counting embedder."""

from embeddings_orch_testing.counting import CountingConfig as CountingConfig
from embeddings_orch_testing.counting import CountingEmbedder as CountingEmbedder
