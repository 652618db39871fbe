"""Pictures as every server reads them: the file itself where it is plain, else the decoded picture."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

from embeddings_orch.media.decoding.formats import identify, orientation
from embeddings_orch.media.decoding.pictures import decode_image, decode_sound

Mime = Literal["image/jpeg", "image/png"]

_MIMES: dict[str | None, Mime] = {"JPEG": "image/jpeg", "PNG": "image/png"}
_UPRIGHT = 1
_PLAIN_MODES = frozenset({"1", "L", "P", "RGB"})
_VALIDATED_AT = 64
"""Pixels of a side: a whole JPEG is read to find where it is broken, but not decoded at its full size."""


def portable_image(data: bytes, *, largest: int | None = None) -> tuple[bytes, Mime]:
    """A picture for a server whose decoder is not ours, and its type.

    A whole JPEG or PNG of 8 bits, upright and opaque, is given back as it is. Anything else (another format, CMYK,
    16 bits, turned by its EXIF orientation, transparent, animated, with broken metadata) becomes the PNG of what
    `embeddings_orch.media.decode_image` sees, so that no server sees another picture than a local model.

    Args:
        data: the encoded picture.
        largest: bytes that the server takes; a PNG of more, as a photo's often is, becomes a JPEG of quality 95.

    Raises:
        ItemError: it cannot be decoded.
    """
    mime = _plain(data)
    if mime and _is_sound(data):
        return data, mime
    picture = decode_image(data)
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1)
    if largest is None or png.tell() <= largest:
        return png.getvalue(), "image/png"
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=95, subsampling=0)
    return jpeg.getvalue(), "image/jpeg"


def _is_sound(data: bytes) -> bool:
    try:
        decode_sound(data, _VALIDATED_AT)
    except Exception:
        return False  # broken, or only its metadata are: decoding it tells
    return True


def _plain(data: bytes) -> Mime | None:
    try:
        image = identify(BytesIO(data))
    except Exception:
        return None  # decoding it says what is wrong
    # The format first: of others, counting the frames reads the whole file.
    if image is None or image.format not in _MIMES or getattr(image, "n_frames", 1) != 1:
        return None
    if image.mode not in _PLAIN_MODES or orientation(image) != _UPRIGHT or "transparency" in image.info:
        return None
    return _MIMES[image.format]
