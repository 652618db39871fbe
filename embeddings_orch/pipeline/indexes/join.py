"""The rows of an index: the catalog's columns, and for each model an item's vector: of one input, several, or ready."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.catalog.reading import item_keys
from embeddings_orch.models.content import Vectors as Matrix
from embeddings_orch.models.keys import KEY
from embeddings_orch.models.words import NAMES, compose_texts
from embeddings_orch.pipeline.embeddings.vectors import StoredVectors
from embeddings_orch.store.tables.generations import IndexedModel
from embeddings_orch.store.tables.vectors import matrix_of

_CHUNK_ROWS = 50_000
"""Rows joined at a time: it bounds the memory of a build."""

_NOTHING = 1e-6
"""What is left of vectors that cancel each other out is rounding: at the most this part of their lengths."""


def join_schema(rows: pa.Schema, columns: Sequence[str], models: Sequence[IndexedModel]) -> pa.Schema:
    """The schema of an index: some columns of its rows, then a vector column for each model."""
    schema = pa.schema([rows.field(name) for name in columns])
    for model in models:
        schema = schema.append(pa.field(model.column, pa.list_(pa.float32(), model.dimensions)))
    return schema


def check_lengths(asset: str, schema: pa.Schema, models: Sequence[IndexedModel]) -> None:
    """Refuse vectors of another length than those that an index has.

    Raises:
        EmbeddingsOrchError: ready-made vectors of a model that does not tell its length have been exchanged for others.
    """
    for model in models:
        before = int(schema.field(model.column).type.list_size)
        if before != model.dimensions:
            raise EmbeddingsOrchError(
                f"{asset}: the vectors of {model.column} have {model.dimensions:,} numbers, and had {before:,} under "
                "the same declaration: declare the model that made these, or the length as its `dimensions`"
            )


def join_rows(
    rows: pa.Table,
    models: Sequence[IndexedModel],
    *,
    vectors: Mapping[str, StoredVectors],
    has_vector: Mapping[str, pa.Array],
    schema: pa.Schema,
    full_text: Collection[str],
    done: Callable[[int], None],
) -> Iterator[pa.Table]:
    """Rows with their vectors, a chunk at a time.

    Args:
        rows: of the catalog, with the digest of each.
        models: the vector columns.
        vectors: by vector column.
        has_vector: by vector column the keys that count; a vector that came since is in no row's digest.
        schema: of the index, as `join_schema` makes it.
        full_text: columns whose texts keyword search reads; these alone differ from the catalog's, in how their letters
            are written.
        done: told of the rows of each chunk.
    """
    composed = frozenset(full_text) - NAMES
    parts = {model.column: _columns(rows, model, vectors[model.column], has_vector[model.column]) for model in models}
    for start in range(0, rows.num_rows, _CHUNK_ROWS):
        chunk = rows.slice(start, _CHUNK_ROWS)
        columns = {name: compose_texts(chunk[name]) for name in composed}
        columns |= {name: next(chunks) for name, chunks in parts.items()}
        # An embedding may have the name of its column of ready-made vectors.
        yield pa.table([columns[name] if name in columns else chunk[name] for name in schema.names], schema=schema)
        done(chunk.num_rows)


def _columns(rows: pa.Table, model: IndexedModel, vectors: StoredVectors, has: pa.Array) -> Iterator[pa.Array]:
    """The vectors of one model for all rows, a chunk at a time."""
    null = pa.scalar(None, KEY)
    keys = [pc.if_else(pc.is_in(input_keys, has), input_keys, null) for input_keys in item_keys(rows, model.inputs)]
    parts = zip(*(vectors.chunks(input_keys, _CHUNK_ROWS) for input_keys in keys), strict=True)
    if len(keys) == 1:
        kind = pa.list_(pa.float32(), model.dimensions)
        # No vector at all was there to tell the dimensions.
        yield from (column if column.type == kind else pa.nulls(len(column), kind) for (column,) in parts)
        return
    weights = [weight for _, weight in model.inputs.weights]
    normalize = bool(model.settings.get("normalize", True))
    for columns in parts:
        yield mean_of_inputs(columns, weights, model.dimensions, normalize=normalize)


def mean_of_inputs(
    columns: Sequence[pa.Array], weights: Sequence[float], dimensions: int, *, normalize: bool
) -> pa.Array:
    """For each row the weighted mean of its vectors; of a row that lacks some, with the others' weights alone.

    The direction is that of Weaviate's multi2vec modules, which divide the weighted sum by the number of vectors
    (``CombineVectorsWithWeights``). A row is null where it has no vector, or its vectors cancel each other out.

    Args:
        columns: the vectors of each input, null where a row has none.
        weights: of the inputs, greater than 0.
        dimensions: of the vectors.
        normalize: scale the mean to unit length.
    """
    count = len(columns[0])
    total = np.zeros((count, dimensions), dtype=np.float32)
    weight, size = np.zeros(count), np.zeros(count)
    for column, share in zip(columns, weights, strict=True):
        there = column.is_valid().to_numpy(zero_copy_only=False)
        if not there.any():
            continue
        matrix = matrix_of(column.drop_null())
        total[there] += np.float32(share) * matrix
        weight[there] += share
        size[there] += share * _norms(matrix)
    norms = _norms(total)
    there = norms > _NOTHING * size
    scale = np.where(there, norms if normalize else weight, 1)
    flat = pa.FixedSizeListArray.from_arrays(pa.array((total / scale[:, None].astype(np.float32)).ravel()), dimensions)
    return flat if there.all() else pc.if_else(pa.array(there), flat, pa.scalar(None, flat.type))


def _norms(vectors: Matrix) -> Matrix:
    return np.asarray(np.linalg.norm(vectors, axis=1), dtype=np.float64)
