"""A model of OpenAI as a Dagster resource."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_plugins.openai.config import OpenAIConfig

__all__ = ["OpenAIResource", "RetryConfig"]


class OpenAIResource(EmbedderResource, OpenAIConfig):
    """A model of OpenAI, or of a server with its protocol, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def slogans(embeddings: OpenAIResource) -> None:
        ...     vectors = embeddings.embed_texts(["a dog", "a cat"])
        >>> embeddings = OpenAIResource(name="text-embedding-3-large", dimensions=1024)  # doctest: +SKIP
        >>> definitions = dg.Definitions(assets=[slogans], resources={"embeddings": embeddings})  # doctest: +SKIP
    """
