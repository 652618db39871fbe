"""The picture of a query, in whatever form it is given, as the bytes of a file."""

from __future__ import annotations

import re
from pathlib import Path

from embeddings_orch.embedding.contents import Picture, encode_image
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.search.urls import fetch

_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether a text is an http(s) URL, and not a path."""
    return _URL.match(text) is not None


def picture_bytes(picture: Picture, *, allow_urls: bool = False) -> bytes:
    """The bytes of a picture's file.

    Args:
        picture: a path, an encoded file's bytes, a Pillow image, a uint8 array of shape (height, width[, channels]),
            or an http(s) URL.
        allow_urls: whether a URL is fetched; one on a private address never is.

    Raises:
        EmbeddingsOrchError: it cannot be read, or is a URL and those are not allowed.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str) and is_url(picture):
        if not allow_urls:
            raise EmbeddingsOrchError("the query picture is a URL, and URLs are off; allow them with allow_urls=True")
        return fetch(picture)
    if isinstance(picture, str | Path):
        path = Path(picture).expanduser()
        try:
            return path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise EmbeddingsOrchError(f"the query picture {path} cannot be read: {reason}") from error
    try:
        return encode_image(picture, "the query picture")
    except (OSError, TypeError, ValueError) as error:
        message = str(error)
        named = message if message.startswith("the query picture") else f"the query picture cannot be used: {message}"
        raise EmbeddingsOrchError(named) from error
