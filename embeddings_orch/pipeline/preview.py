"""A picture of an embedding: its items laid out by the first two principal components of their vectors."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from embeddings_orch.embedder import Vectors
from embeddings_orch.errors import ItemError
from embeddings_orch.media.catalog import contents
from embeddings_orch.media.decode import decode_image
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.vectors import matrix_of

SIZE = (880, 560)
_TILE = 40
_ITEMS = 240
_MAX_FILE = 2**22


def preview(
    pipeline: Pipeline, name: str, *, seconds: float = 2.0, clock: Callable[[], float] = time.monotonic
) -> bytes | None:
    """Draw up to 240 items of an embedding, pictures as thumbnails and texts as words.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        seconds: after which no more pictures are read; the others are drawn as dots.
        clock: seconds, monotonic.

    Returns:
        An encoded JPEG, or None where there are fewer than three vectors.
    """
    spec = pipeline.spec.embeddings[name]
    wanted = contents(pipeline.catalog(), spec.input)
    table = pipeline.store.vectors(spec.config.fingerprint())
    covered = wanted.filter(pc.is_in(wanted["key"], table.keys()))
    if covered.num_rows < 3:
        return None
    step = max(1, -(-covered.num_rows // _ITEMS))
    rows = covered.take(pa.array(range(0, covered.num_rows, step)))
    places = _layout(matrix_of(table.take(rows["key"].combine_chunks())))
    image = Image.new("RGB", SIZE, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11)
    started = clock()
    for row, (left, top) in zip(rows.to_pylist(), places, strict=True):
        if row["text"] is not None:
            draw.text((left, top), str(row["text"])[:18], fill=(40, 60, 120), font=font)
            continue
        tile = _tile(pipeline, row["uri"]) if clock() - started < seconds else None
        if tile is None:
            draw.ellipse((left + 16, top + 16, left + 24, top + 24), fill=(120, 130, 150))
        else:
            image.paste(tile, (left + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=82, optimize=True)
    return encoded.getvalue()


def _layout(vectors: Vectors) -> list[tuple[int, int]]:
    """Pixel positions of the tiles' corners: ranks along two principal components, so that tiles spread evenly."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    if flat.shape[1] < 2:
        flat = np.column_stack([flat, np.zeros(len(flat))])
    places = []
    for axis, room in enumerate((SIZE[0] - _TILE, SIZE[1] - _TILE)):
        values = flat[:, axis]
        # Halfway between the true spread and the ranks: neighbours stay near, crowds come apart.
        ranks = np.argsort(np.argsort(values)) / max(1, len(values) - 1)
        span = float(np.ptp(values)) or 1.0
        places.append(np.round(room * (0.4 * (values - values.min()) / span + 0.6 * ranks)).astype(int))
    return list(zip(places[0].tolist(), places[1].tolist(), strict=True))


def _tile(pipeline: Pipeline, uri: str) -> Image.Image | None:
    try:
        data = pipeline.source.read(uri)
        if len(data) > _MAX_FILE:
            return None
        tile = decode_image(data, min_side=_TILE)
    except (OSError, ItemError):
        return None
    tile.thumbnail((_TILE, _TILE))
    return tile
