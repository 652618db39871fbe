"""An ImageBind model as a Dagster resource."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embeddings_orch.dagster.resources import EmbedderResource, RetryConfig
from embeddings_orch.models import Vectors
from embeddings_orch_plugins.imagebind.config import ImageBindConfig

__all__ = ["ImageBindResource", "RetryConfig"]


class ImageBindResource(EmbedderResource, ImageBindConfig):
    """An ImageBind model, for an asset of your own.

    Example:
        >>> @dg.asset  # doctest: +SKIP
        ... def barks(imagebind: ImageBindResource) -> None:
        ...     sounds = imagebind.embed_audio(sorted(Path("barks").glob("*.wav")))
        ...     words = imagebind.embed_texts(["a dog barks"])
        >>> imagebind = ImageBindResource(weights=dg.EnvVar("IMAGEBIND_WEIGHTS"))  # doctest: +SKIP
    """

    def embed_audio(self, sounds: Sequence[str | Path | bytes]) -> Vectors:
        """Vectors of sounds, shape (n, dimensions), float32, in order.

        Args:
            sounds: paths, or encoded files' bytes.

        Raises:
            ItemError: some sounds have no vector; the message names them.
            TerminalError: the model cannot be had.
            OSError: a path cannot be read.
        """
        return self._embed("audio", sounds, "document")
