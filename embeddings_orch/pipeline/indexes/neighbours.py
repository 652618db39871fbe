"""Exact nearest neighbours of items of a generation, by brute force over the stored vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.content import Vectors
from embeddings_orch.pipeline.indexes.recall import distances
from embeddings_orch.store.base import in_list
from embeddings_orch.store.tables.vector_column import VectorColumn
from embeddings_orch.store.tables.vectors import matrix_of


def ids_with_vector(column: VectorColumn) -> pa.Array:
    """The ids of the rows that have a vector."""
    return pa.concat_arrays([pa.array([], pa.string()), *column.ids()])


def nearest_items(column: VectorColumn, items: Sequence[str], k: int, without: pa.Array) -> list[list[str]]:
    """For each of some items with a vector, the ids of its k nearest, itself excluded, nearest first.

    Items at the same distance stand in the order of their ids, so that the order of the rows does not count.
    Memory is that of a batch.

    Args:
        column: whose vectors.
        items: the ids to start from.
        k: how many to find for each.
        without: ids that do not count as neighbours; few of them cost little.
    """
    queries = _vectors(column, items)
    item_ids = pa.array(items, pa.string())
    best: list[list[tuple[float, str]]] = [[] for _ in items]
    limits = np.full(len(items), np.inf, dtype=np.float32)
    for batch in column.scan("id"):
        rows = batch.filter(pc.is_valid(batch[column.name]))
        if len(without):
            rows = rows.filter(pc.invert(pc.is_in(rows["id"], without)))
        if not rows.num_rows:
            continue
        far = np.round(distances(queries, matrix_of(rows[column.name]), column.metric), 6)
        far[~np.isfinite(far)] = np.nan
        itself = pc.index_in(rows["id"], item_ids)
        places = pc.indices_nonzero(pc.is_valid(itself))
        far[itself.take(places).to_numpy(), places.to_numpy()] = np.nan
        for number, near in _near(far, k, limits):
            nearer = zip(far[number, near].tolist(), rows["id"].take(pa.array(near)).to_pylist(), strict=True)
            best[number] = sorted([*best[number], *nearer])[:k]
            if len(best[number]) == k:
                limits[number] = best[number][-1][0]
    return [[item for _, item in neighbours] for neighbours in best]


def _near(far: Vectors, k: int, limits: Vectors) -> list[tuple[int, Vectors]]:
    """For each query that has any the columns that can be among its k nearest; NaN stands for what cannot."""
    if not np.isfinite(limits).all() and far.shape[1] > k:
        within = np.partition(far, k - 1, axis=1)[:, k - 1]  # NaN where there are fewer than k
        limits = np.fmin(limits, within)
    numbers, columns = np.nonzero(far <= limits[:, None])
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    return list(zip(numbers[starts].tolist(), np.split(columns, starts[1:]), strict=True)) if len(starts) else []


def _vectors(column: VectorColumn, items: Sequence[str]) -> Vectors:
    """The vectors of some items, shape (items, dimensions), in their order."""
    vectors: dict[str, Vectors] = {}
    for batch in column.scan("id", where=in_list("id", items)):
        vectors.update(zip(batch["id"].to_pylist(), matrix_of(batch[column.name]), strict=True))
    return np.stack([vectors[item] for item in items])
