"""Long and thin pictures, of which a model's own preprocessing would first make very large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embeddings_orch.models import ItemError

if TYPE_CHECKING:
    from PIL.Image import Image

    from sentence_transformers import SentenceTransformer

LONG = 16
"""Times that a picture is as long as it is wide, from which on the model's preprocessing is looked at."""


def is_long(image: Image) -> bool:
    """Whether a picture may become a very large one."""
    return max(image.size) > LONG * min(image.size)


def bound_resizing(image: Image, model: SentenceTransformer) -> Image:
    """The picture, or the part of it that the model looks at, where it would become too large a one.

    That is so where the shorter side is resized to a length: the model then looks at the middle as a rule.

    Raises:
        ItemError: it would become too large a picture, and the model looks at all of it.
    """
    from PIL.Image import Resampling

    from embeddings_orch.media import is_oversized, resize_cut_out

    settings = _image_settings(model)
    edge = _number(settings, "size", "shortest_edge")
    if edge is None or _number(settings, "size", "longest_edge") is not None:
        return image
    short = min(image.size)
    width, height = edge * image.width // short, edge * image.height // short
    if not is_oversized((width, height)):
        return image
    columns, rows = (_number(settings, "crop_size", side) for side in ("width", "height"))
    if not getattr(settings, "do_center_crop", False) or not columns or not rows or columns > width or rows > height:
        raise ItemError(
            f"{image.width} x {image.height} pixels: the model would see {width} x {height}; cut the picture up"
        )
    left, top = round((width - columns) / 2), round((height - rows) / 2)
    resample = Resampling(getattr(settings, "resample", None) or Resampling.BILINEAR)
    return resize_cut_out(image, (width, height), (left, top, left + columns, top + rows), resample)


def _image_settings(model: SentenceTransformer) -> Any:
    processor = getattr(model[0], "processor", None)
    return getattr(processor, "image_processor", processor)


def _number(settings: Any, name: str, key: str) -> int | None:
    sizes: Any = getattr(settings, name, {})
    value = sizes.get(key) if hasattr(sizes, "get") else getattr(sizes, key, None)
    return value if isinstance(value, int) else None
