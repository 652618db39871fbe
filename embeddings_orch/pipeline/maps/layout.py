"""Lays out the map of a generation's vectors; one of an earlier version of the same table keeps its layout."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from embeddings_orch.pipeline.maps.projection import Places, comparable, fit, project
from embeddings_orch.pipeline.maps.rows import MapRows
from embeddings_orch.pipeline.maps.umap import FEWEST, umap_points
from embeddings_orch.store import Store
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.maps import Basis, Map, MapHeader, Method
from embeddings_orch.store.tables.vector_column import VectorColumn

MAX_POINTS = 200_000
"""Points of a map; of more rows a sample is shown."""

_FIT_ROWS = 20_000
_FIT_NUMBERS = 2**22
"""Most numbers of the vectors that axes are fitted to: 32 MB in double precision."""

_KEPT_UNTIL = 2
"""A layout is made anew when the vectors have become so many times more, or fewer, than it was made for."""


def make_map(store: Store, generation: Generation, model: IndexedModel, method: Method) -> Map:
    """Lay out the map of a vector column; store nothing.

    Args:
        store: where the generation is.
        generation: the generation.
        model: the one of it that made the vectors.
        method: ``pca``, or ``umap``, which takes the extra of that name.

    Raises:
        StoreError: the generation's table is gone, or the store cannot be read.
        ImportError: ``umap-learn`` is not installed.
    """
    rows = MapRows(VectorColumn(store.index(generation.table), generation, model))
    count = rows.count
    method = effective(method, count)
    before = store.maps.latest(generation.table, model.column, method)
    if before is not None and not _lasts(before.header, count):
        before = None
    header = MapHeader(
        generation=generation.id,
        column=model.column,
        table=generation.table,
        version=generation.version,
        method=method,
        rows=generation.rows,
        vectors=count,
        fitted=before.header.fitted if before else count,
        points=0,
        explained=None,
        made_at=datetime.now(UTC),
    )
    if method == "umap":
        ids, places, checks, same_layout = umap_points(rows, MAX_POINTS, before)
        header = replace(header, points=len(ids), fitted=header.fitted if same_layout else count)
        return Map(header, ids, places, checks=checks)
    basis = before.basis if before else None
    basis = _basis(rows) if basis is None else basis
    ids, places = _project_rows(rows, basis)
    return Map(replace(header, points=len(ids), explained=basis.explained), ids, places, basis)


def effective(method: Method, vectors: int) -> Method:
    """The method by which so many vectors are laid out."""
    return "pca" if vectors < FEWEST else method


def _lasts(header: MapHeader, count: int) -> bool:
    """Whether a layout is good for so many vectors."""
    return header.fitted > 2 and count <= _KEPT_UNTIL * header.fitted and header.fitted <= _KEPT_UNTIL * count


def _basis(rows: MapRows) -> Basis:
    dimensions = rows.column.model.dimensions
    _, vectors = rows.sample(max(FEWEST, min(_FIT_ROWS, _FIT_NUMBERS // dimensions)))
    if not len(vectors):
        vectors = np.zeros((0, dimensions), dtype=np.float32)
    return fit(comparable(vectors, rows.column.metric))


def _project_rows(rows: MapRows, basis: Basis) -> tuple[pa.Array, Places]:
    ids, places = [pa.array([], pa.string())], [np.zeros((0, 2), dtype=np.uint16)]
    for some, vectors in rows.batches(MAX_POINTS):
        ids.append(some)
        places.append(project(comparable(vectors, rows.column.metric), basis))
    return pa.concat_arrays(ids), np.concatenate(places)
