"""The CLIP servers as Dagster resources."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_plugins.clip_server.config import Multi2VecClipConfig, RoboflowClipConfig

__all__ = ["Multi2VecClipResource", "RetryConfig", "RoboflowClipResource"]


class Multi2VecClipResource(EmbedderResource, Multi2VecClipConfig):
    """Weaviate's multi2vec-clip containers, for an asset of your own.

    Example:
        >>> clip = Multi2VecClipResource(name="ViT-B-32", inference_url=dg.EnvVar("CLIP_URL"))  # doctest: +SKIP
    """


class RoboflowClipResource(EmbedderResource, RoboflowClipConfig):
    """CLIP of a Roboflow Inference server, for an asset of your own.

    Example:
        >>> clip = RoboflowClipResource(clip_version_id="ViT-L-14", api_key_env=None)  # doctest: +SKIP
    """
