"""The picture of a request: decoded strictly, measured before anything unpacks it."""

from __future__ import annotations

from embeddings_orch.media.decoding.pictures import image_size
from embeddings_orch.models.base64_text import decode_base64
from embeddings_orch.search.urls import fetch
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.settings import ServeSettings

LARGE = 2**22
"""Pixels from which a picture counts as large: decoding it takes 16 MiB and more."""


def picture_of(encoded: str, settings: ServeSettings, *, param: str = "image.base64") -> bytes:
    """A picture that came as base64, bare or as a data URI; the same from all routes.

    Raises:
        HttpProblem: 400 it is no base64, 413 it has too many pixels, 415 it is no picture.
    """
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        raise HttpProblem(400, f"{param} is not base64: {error}", param=param) from error
    return check_picture(data, settings, param=param)


def picture_at(url: str, settings: ServeSettings, *, param: str = "image.url") -> bytes:
    """A picture on the public web, where the server allows that; never on a private address.

    Raises:
        HttpProblem: 400 URLs are off; and as `picture_of`.
        EmbeddingsOrchError: it cannot be fetched.
    """
    if not settings.allow_urls:
        raise HttpProblem(
            400,
            "pictures by URL are off on this server; send image.base64, or start it with --allow-urls",
            param=param,
        )
    return check_picture(fetch(url), settings, param=param)


def check_picture(data: bytes, settings: ServeSettings, *, param: str) -> bytes:
    """The same picture, if its header says that it can be decoded here.

    Raises:
        HttpProblem: 413 it has too many pixels, 415 it is no picture.
    """
    size = image_size(data)
    if size is None:
        raise HttpProblem(
            415, f"{param} is not a picture that can be read (JPEG, PNG, WebP, GIF, TIFF, BMP)", param=param
        )
    if size[0] * size[1] > settings.max_pixels:
        raise HttpProblem(
            413, f"{param} has {size[0]} x {size[1]} pixels; the limit is {settings.max_pixels:,} in all", param=param
        )
    return data


def is_large(data: bytes) -> bool:
    """Whether decoding a picture takes much memory, so that few are at a time."""
    size = image_size(data)
    return size is not None and size[0] * size[1] > LARGE
