"""Pictures as a model takes them, as data URIs."""

from __future__ import annotations

import base64

from embeddings_orch.media import image_size, portable_image
from embeddings_orch.models import ItemError
from embeddings_orch_plugins.aws.families.base import Pictures


def data_uri(data: bytes, pictures: Pictures, model: str) -> str:
    """``data:image/KIND;base64,...`` of a picture that decodes and that the model takes, see `portable_image`.

    Raises:
        ItemError: it cannot be decoded, or is too large.
    """
    sent, mime = portable_image(data, largest=pictures.size)
    width, height = image_size(sent) or (0, 0)
    if pictures.side is not None and max(width, height) > pictures.side:
        raise ItemError(
            f"{width} x {height} pixels; {model} takes {pictures.side} x {pictures.side} at the most: scale it down"
        )
    if len(sent) > pictures.size:
        kind = mime.removeprefix("image/").upper()
        raise ItemError(
            f"{len(sent) / 2**20:.1f} MB as {kind}; {model} takes {pictures.size / 2**20:.1f} MB at the most: scale it "
            "down, or save it with more compression"
        )
    return f"data:{mime};base64,{base64.b64encode(sent).decode()}"
