"""Models of sentence-transformers as Dagster resources."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_plugins.sentence_transformers.config import SentenceTransformersConfig
from embeddings_orch_plugins.sentence_transformers.instructor import InstructorConfig

__all__ = ["InstructorResource", "RetryConfig", "SentenceTransformersResource"]


class SentenceTransformersResource(EmbedderResource, SentenceTransformersConfig):
    """A model of sentence-transformers, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def slogans(minilm: SentenceTransformersResource) -> None:
        ...     vectors = minilm.embed_texts(["a dog", "a cat"])
        >>> minilm = SentenceTransformersResource(name=dg.EnvVar("MODEL"))  # doctest: +SKIP
        >>> definitions = dg.Definitions(assets=[slogans], resources={"minilm": minilm})  # doctest: +SKIP
    """


class InstructorResource(EmbedderResource, InstructorConfig):
    """An Instructor model, for an asset of your own."""
