"""ImageBind: pictures, texts and sounds in one space.

Example:
    >>> from embeddings_orch_plugins.imagebind import ImageBindConfig
    >>> ImageBindConfig(weights="models/imagebind_huge.pth").fingerprint()  # doctest: +SKIP
"""

from embeddings_orch_plugins.imagebind.config import ImageBindConfig
from embeddings_orch_plugins.imagebind.embedder import ImageBindEmbedder

__all__ = ["ImageBindConfig", "ImageBindEmbedder"]
