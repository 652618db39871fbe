"""A picture of an embedding: its items sorted by the first two principal components of their vectors."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.catalog.reading import read_contents
from embeddings_orch.media.decoding.kinds import kind_of
from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.models.content import Vectors
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.vectors import vectors_of
from embeddings_orch.pipeline.maps.projection import principal_axes
from embeddings_orch.store.tables.vectors import matrix_of

SIZE = (880, 480)
"""The most that is drawn, pixels."""

_TILE = 40
_WORDS = 110
_ITEMS = 240


def preview(
    pipeline: Pipeline, name: str, *, seconds: float = 2.0, clock: Callable[[], float] = time.monotonic
) -> bytes | None:
    """Draw up to 240 items of an embedding, pictures as thumbnails, texts as words, sounds by their names.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        seconds: after which no more pictures are read; the others are drawn as dots.
        clock: seconds, monotonic.

    Returns:
        An encoded JPEG, or None where there are fewer than three vectors.
    """
    spec = pipeline.spec.embeddings[name]
    catalog = pipeline.contents_catalog(spec.inputs)
    contents = read_contents(catalog, spec.inputs)
    vectors = vectors_of(pipeline, name, catalog)
    covered = contents.filter(pc.is_in(contents["key"], vectors.keys()))
    if covered.num_rows < 3:
        return None
    step = max(1, -(-covered.num_rows // _ITEMS))
    rows = covered.take(pa.array(range(0, covered.num_rows, step)))
    labels = [_label(row) for row in rows.select(["id", "modality", "text"]).to_pylist()]
    width, height = (_WORDS, 20) if any(labels) else (_TILE, _TILE)
    columns = min(SIZE[0] // width, max(1, round((rows.num_rows * SIZE[0] * height / (SIZE[1] * width)) ** 0.5)))
    lines = -(-rows.num_rows // columns)
    places = _layout(matrix_of(vectors.take(rows["key"].combine_chunks())), columns, lines)
    image = Image.new("RGB", (columns * width, lines * height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11)
    started = clock()
    for uri, label, (column, line) in zip(rows["uri"].to_pylist(), labels, places, strict=True):
        left, top = column * width, line * height
        if label:
            draw.text((left + 2, top + 3), label[:18], fill=(40, 60, 120), font=font)
            continue
        tile = thumbnail(pipeline, uri, min(height, _TILE)) if clock() - started < seconds else None
        if tile is None:
            draw.ellipse((left + 6, top + 6, left + 14, top + 14), fill=(120, 130, 150))
        else:
            image.paste(tile, (left + (width - tile.width) // 2, top + (height - tile.height) // 2))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=82, optimize=True)
    return encoded.getvalue()


def _label(row: Mapping[str, Any]) -> str:
    """The words that stand for a content; of a picture none."""
    if row["text"] is not None:
        return str(row["text"])
    return PurePosixPath(row["id"]).name if row["modality"] == "audio" else ""


def _layout(vectors: Vectors, columns: int, rows: int) -> list[tuple[int, int]]:
    """A (column, row) for each vector: sorted into columns by the first component, down each by the second.

    Neighbours in the model stay near each other, and no two share a cell.
    """
    mean, axes, _ = principal_axes(vectors)
    flat = (vectors - mean) @ axes.T
    places = np.zeros((len(vectors), 2), dtype=int)
    for column, members in enumerate(np.array_split(np.argsort(flat[:, 0], kind="stable"), columns)):
        down = members[np.argsort(flat[members, 1], kind="stable")]
        top = (rows - len(down)) // 2
        places[down] = [(column, top + row) for row in range(len(down))]
    return [(int(column), int(row)) for column, row in places]


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
