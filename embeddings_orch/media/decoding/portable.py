"""Pictures as every server reads them: the file itself where it is plain, else the decoded picture."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

from embeddings_orch.media.decoding.pictures import decode_image, identify, orientation

Mime = Literal["image/jpeg", "image/png"]

_MIMES: dict[str | None, Mime] = {"JPEG": "image/jpeg", "PNG": "image/png"}
_UPRIGHT = 1
_PLAIN_MODES = frozenset({"1", "L", "P", "RGB"})
_VALIDATED_AT = 64
"""Pixels of a side: a whole JPEG is read to find where it is broken, but not decoded at its full size."""


def portable_image(data: bytes, *, largest: int | None = None) -> tuple[bytes, Mime]:
    """A picture for a server whose decoder is not ours, and its type.

    A whole JPEG or PNG of 8 bits, upright and opaque, is given back as it is. Anything else (another format, CMYK,
    16 bits, turned by its EXIF orientation, transparent, animated) becomes the PNG of what
    `embeddings_orch.media.decode_image` sees, so that no server sees another picture than a local model.

    Args:
        data: the encoded picture.
        largest: bytes that the server takes; a PNG of more, as a photo's often is, becomes a JPEG of quality 95.

    Raises:
        ItemError: it cannot be decoded.
    """
    mime = _plain(data)
    picture = decode_image(data, min_side=_VALIDATED_AT if mime else None)
    if mime:
        return data, mime
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1)
    if largest is None or png.tell() <= largest:
        return png.getvalue(), "image/png"
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=95, subsampling=0)
    return jpeg.getvalue(), "image/jpeg"


def _plain(data: bytes) -> Mime | None:
    try:
        image = identify(BytesIO(data))
    except Exception:
        return None  # decoding it says what is wrong
    if image is None or image.mode not in _PLAIN_MODES or getattr(image, "n_frames", 1) != 1:
        return None
    if orientation(image) != _UPRIGHT or "transparency" in image.info:
        return None
    return _MIMES.get(image.format)
