"""A CLIP model as a Dagster resource."""

from __future__ import annotations

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch_plugins.open_clip.config import OpenClipConfig

__all__ = ["OpenClipResource", "RetryConfig"]


class OpenClipResource(EmbedderResource, OpenClipConfig):
    """A CLIP model of open_clip, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def signs(clip: OpenClipResource) -> None:
        ...     vectors = clip.embed_images(sorted(Path("signs").glob("*.png")))
        >>> clip = OpenClipResource(name="emoji-s", device=dg.EnvVar("CLIP_DEVICE"))  # doctest: +SKIP
        >>> definitions = dg.Definitions(assets=[signs], resources={"clip": clip})  # doctest: +SKIP
    """
