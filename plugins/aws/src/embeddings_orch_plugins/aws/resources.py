"""A model of Bedrock as a Dagster resource."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, PricesConfig, RetryConfig
from embeddings_orch_plugins.aws.config import BedrockConfig

__all__ = ["BedrockResource", "PricesConfig", "RetryConfig"]


class BedrockResource(EmbedderResource, BedrockConfig):
    """An embedding model of Amazon Bedrock, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def slogans(model: BedrockResource) -> None:
        ...     vectors = model.embed_texts(["a dog", "a cat"])
        >>> model = BedrockResource(name="cohere.embed-v4:0", region=dg.EnvVar("MY_REGION"))  # doctest: +SKIP
    """
