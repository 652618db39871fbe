"""CLIP models of open_clip: images and text in one space.

Example:
    >>> from embeddings_orch_plugins.open_clip import OpenClipConfig
    >>> OpenClipConfig(name="emoji-s").fingerprint()  # doctest: +SKIP
"""

from embeddings_orch_plugins.open_clip.config import OpenClipConfig
from embeddings_orch_plugins.open_clip.embedder import OpenClipEmbedder

__all__ = ["OpenClipConfig", "OpenClipEmbedder"]
