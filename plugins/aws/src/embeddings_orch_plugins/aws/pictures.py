"""Pictures as a model takes them: the file itself where it is of the right kind, as a data URI."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import ExifTags, Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decode import decode_image
from embeddings_orch_plugins.aws.families.base import Pictures


def data_uri(data: bytes, pictures: Pictures, model: str) -> str:
    """``data:image/KIND;base64,…`` of a picture that decodes and that the model takes.

    Another format is sent as PNG, without loss. A picture whose EXIF data turn it is sent upright, as models may or
    may not do so themselves; a JPEG stays one then, of quality 95.

    Raises:
        ItemError: it cannot be decoded, or is too large.
    """
    upright = decode_image(data)
    kind, turned = _header(data)
    if kind not in pictures.formats or turned:
        kind = "JPEG" if kind == "JPEG" else "PNG"
        data = _encoded(upright, kind)
    if pictures.side is not None and max(upright.size) > pictures.side:
        width, height = upright.size
        raise ItemError(
            f"{width} x {height} pixels; {model} takes {pictures.side} x {pictures.side} at the most: scale it down"
        )
    if len(data) > pictures.size:
        raise ItemError(
            f"{len(data) / 2**20:.1f} MB as {kind}; {model} takes {pictures.size / 2**20:.1f} MB at the most: scale it "
            "down, or save it with more compression"
        )
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"


def _header(data: bytes) -> tuple[str, bool]:
    """The format of a picture that was decoded already, and whether its EXIF data turn it."""
    with Image.open(BytesIO(data)) as image:
        # A phone's JPEG with a second picture behind the first.
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        try:
            # Not PngImageFile.getexif, which decodes the whole picture to look behind it.
            turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) in range(2, 9)
        except Exception:
            turned = False  # broken metadata do not spoil the picture
    return kind, turned


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    if kind == "JPEG":
        image.save(buffer, kind, quality=95, subsampling=0)
    else:
        image.save(buffer, kind)
    return buffer.getvalue()
