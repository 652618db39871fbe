"""A Gemini model as a Dagster resource."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_plugins.gemini.config import GeminiConfig

__all__ = ["GeminiResource", "RetryConfig"]


class GeminiResource(EmbedderResource, GeminiConfig):
    """A Gemini model for embeddings, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def slogans(gemini: GeminiResource) -> None:
        ...     vectors = gemini.embed_texts(["a dog", "a cat"])
        >>> gemini = GeminiResource(name="gemini-embedding-2", dimensions=1536)  # doctest: +SKIP
    """
