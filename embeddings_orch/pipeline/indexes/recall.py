"""Recall of an index against exact search, and the search parameters that reach what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from embeddings_orch.models.content import Vectors
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.vector_column import VectorColumn
from embeddings_orch.store.tables.vectors import matrix_of

SAMPLE = 100
K = 10
_PARAMETERS = tuple({"nprobes": nprobes, "refine_factor": refine} for nprobes, refine in
                    ((20, 10), (20, 30), (40, 30), (80, 50), (160, 80), (400, 100)))  # fmt: skip

_NOT_FINITE = np.errstate(invalid="ignore", over="ignore")
"""Vectors that are not finite are another check's to report."""


@_NOT_FINITE
def queries(column: VectorColumn, count: int = SAMPLE) -> Vectors:
    """Up to ``count`` stored vectors with a little seeded noise, shape (n, dimensions): none is in the index itself."""
    vectors = column.sample(count)
    if not len(vectors):
        return vectors
    noise = np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
    scale = 0.1 * np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    return np.asarray(vectors + noise * scale, dtype=np.float32)


@_NOT_FINITE
def distances(queries: Vectors, vectors: Vectors, metric: str) -> Vectors:
    """Distances as LanceDB defines them, shape (queries, vectors): cosine and dot are 1 - similarity, l2 is squared."""
    # In double precision: of long vectors, the difference of squares would keep only a few digits.
    queries, vectors = queries.astype(np.float64), vectors.astype(np.float64)
    if metric == "l2":
        squares = (queries**2).sum(1)[:, None] + (vectors**2).sum(1)[None, :] - 2 * queries @ vectors.T
        return np.asarray(np.maximum(squares, 0), dtype=np.float32)
    if metric == "cosine":
        queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-30)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    return np.asarray(1 - queries @ vectors.T, dtype=np.float32)


def farthest_exact(column: VectorColumn, queries: Vectors, k: int = K) -> Vectors:
    """The exact distance of each query's k-th neighbour, shape (queries,), by brute force over all stored vectors."""
    best = np.full((len(queries), 0), np.inf, dtype=np.float32)
    for batch in column.scan():
        stored = batch[column.name].drop_null()
        if len(stored):
            both = np.concatenate([best, distances(queries, matrix_of(stored), column.metric)], axis=1)
            best = np.sort(np.partition(both, min(k, both.shape[1]) - 1, axis=1)[:, :k], axis=1)
    return best[:, -1] if best.shape[1] else np.full(len(queries), -np.inf, dtype=np.float32)


def recall(column: VectorColumn, queries: Vectors, limits: Iterable[float], k: int = K) -> float:
    """Share of the k exact neighbours that the index finds; one at the same distance counts as well.

    Returns:
        A value in [0, 1]; 1 where there is nothing to find.
    """
    due = len(queries) * min(k, column.count())
    if due == 0:
        return 1.0
    hits = 0
    for hit_distances, limit in zip(column.nearest_distances(queries, k), limits, strict=True):
        tolerance = 1e-5 * max(1.0, abs(float(limit)))
        hits += sum(distance <= float(limit) + tolerance for distance in hit_distances)
    return hits / due


def tune(table: IndexTable, generation: Generation, min_recall: float) -> Generation:
    """The generation with search parameters that reach the wanted recall; unchanged where search is exact."""
    for model in generation.models:
        column = VectorColumn(table, generation, model)
        if not column.approximate:
            continue
        sampled = queries(column)
        limits = farthest_exact(column, sampled)
        # Not less than what an earlier column needs.
        least = _PARAMETERS.index(generation.search) if generation.search in _PARAMETERS else 0
        for parameters in _PARAMETERS[least:]:
            generation = replace(generation, search=dict(parameters))
            if recall(replace(column, generation=generation), sampled, limits) >= min_recall:
                break
    return generation
