"""Acme's models as a Dagster resource."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_acme.config import AcmeConfig

__all__ = ["AcmeResource", "RetryConfig"]


class AcmeResource(EmbedderResource, AcmeConfig):
    """A model of Acme, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def slogans(acme: AcmeResource) -> None:
        ...     vectors = acme.embed_texts(["a dog", "a cat"])
        >>> definitions = dg.Definitions(assets=[slogans], resources={"acme": AcmeResource()})  # doctest: +SKIP
    """
