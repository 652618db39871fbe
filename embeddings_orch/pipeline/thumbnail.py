"""Small pictures of items, for what people look at."""

from __future__ import annotations

from PIL import Image

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.decode import decode_image
from embeddings_orch.media.kinds import kind_of
from embeddings_orch.pipeline.context import Pipeline

_MAX_FILE = 2**22


def thumbnail(pipeline: Pipeline, uri: str, size: int) -> Image.Image | None:
    """A picture that fits into ``size`` x ``size`` pixels, RGB.

    Returns:
        None where the item is gone, no picture, or a file of more than 4 MiB.
    """
    kind = kind_of(uri)
    if kind is not None and kind.modality != "image":
        return None  # without reading it: sounds are large
    try:
        data = pipeline.source.read(uri)
        if len(data) > _MAX_FILE:
            return None
        picture = decode_image(data, min_side=size)
    except (OSError, EmbeddingsOrchError):
        return None
    picture.thumbnail((size, size))
    return picture
