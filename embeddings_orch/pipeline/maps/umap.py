"""A map whose neighbourhoods are the vectors' own: UMAP (McInnes et al. 2018, arXiv:1802.03426), by ``umap-learn``.

UMAP lays out a sample; every other item comes to its nearest ones there. So do the items of a later version, while
those that were on the map stay where they are.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embeddings_orch.pipeline.maps.projection import Places, Plane, comparable, frame, place, principal_axes
from embeddings_orch.pipeline.maps.rows import MapRows
from embeddings_orch.store.tables.maps import Map

FEWEST = 16
"""Vectors below which there are no neighbourhoods to lay out: the map is one of principal components."""

ANCHORS = 20_000
"""Rows that UMAP lays out; 40 MB of vectors of 512 numbers."""

_NEIGHBOURS = 15
_NEAREST = 5
_BLOCK = 512
"""Items placed at a time: their distances to all anchors take 40 MB."""


def lay_out(vectors: Plane) -> Plane:
    """UMAP's coordinates of vectors, shape (n, dimensions), n at least `FEWEST`; the same in every run."""
    import umap

    mean, axes, _ = principal_axes(vectors)
    begin = (vectors - mean) @ axes.T
    # As umap-learn does by itself: up to 10, and no two in the same place.
    begin = begin * (10 / max(float(np.abs(begin).max()), 1e-12))
    begin = begin + np.random.default_rng(0).normal(scale=1e-4, size=begin.shape)
    neighbours = min(_NEIGHBOURS, len(vectors) - 1)
    model = umap.UMAP(n_neighbors=neighbours, init=begin.astype(np.float32), random_state=0, n_jobs=1)
    return np.asarray(model.fit_transform(vectors.astype(np.float32)), dtype=np.float64)


def checksums(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """CRC-32 of each vector's bytes, shape (n,)."""
    return np.array([zlib.crc32(row) for row in np.ascontiguousarray(vectors)], dtype=np.uint32)


def umap_points(rows: MapRows, most: int, before: Map | None) -> tuple[pa.Array, Places, npt.NDArray[np.uint32], bool]:
    """Ids, places and checksums of at most so many rows, and whether the layout was kept.

    Args:
        rows: what is on the map.
        most: how many.
        before: the map of an earlier version, whose layout is kept while half of the items have the same vectors; None
            for a new one.
    """
    known = _same(rows, most, before) if before is not None else {}
    same_layout = 2 * len(known) > min(most, rows.count)
    anchors, vectors = rows.sample(ANCHORS)
    matrix = comparable(vectors, rows.column.metric)
    if not same_layout:
        plane = lay_out(matrix)
        known = dict(zip(anchors.to_pylist(), place(plane, *frame(plane)), strict=True))
    among = np.array([item in known for item in anchors.to_pylist()])
    plane = np.array([known[item] for item in anchors.to_pylist() if item in known], dtype=np.float64)
    nearby = _Nearby(matrix[among], plane)
    ids, places, checks = [], [], []
    for some, vectors in rows.batches(most):
        here = np.zeros((len(some), 2), dtype=np.uint16)
        new = np.array([item not in known for item in some.to_pylist()])
        here[~new] = [known[item] for item in some.to_pylist() if item in known] or np.zeros((0, 2), np.uint16)
        here[new] = nearby.places(comparable(vectors[new], rows.column.metric))
        ids.append(some)
        places.append(here)
        checks.append(checksums(vectors))
    return pa.concat_arrays(ids), np.concatenate(places), np.concatenate(checks), same_layout


def _same(rows: MapRows, most: int, before: Map) -> dict[str, npt.NDArray[np.uint16]]:
    """Where the items are whose vectors have not changed since a map."""
    assert before.checks is not None
    then = dict(zip(before.ids.to_pylist(), zip(before.checks.tolist(), before.places, strict=True), strict=True))
    known = {}
    for ids, vectors in rows.batches(most):
        for item, check in zip(ids.to_pylist(), checksums(vectors).tolist(), strict=True):
            if item in then and then[item][0] == check:
                known[item] = then[item][1]
    return known


class _Nearby:
    """Places vectors among anchors: the mean of the nearest ones' places, by the inverse squared distance.

    Args:
        anchors: shape (n, dimensions).
        plane: their places, shape (n, 2).
    """

    def __init__(self, anchors: Plane, plane: Plane) -> None:
        self._anchors, self._plane = anchors.astype(np.float32), plane
        self._squares = (self._anchors**2).sum(axis=1)

    def places(self, vectors: Plane) -> Places:
        """Shape (len(vectors), 2)."""
        blocks = [self._block(vectors[start : start + _BLOCK]) for start in range(0, len(vectors), _BLOCK)]
        return np.concatenate([np.zeros((0, 2), np.uint16), *blocks])

    def _block(self, vectors: Plane) -> Places:
        block = vectors.astype(np.float32)
        rough = self._squares - 2 * block @ self._anchors.T
        nearest = np.argpartition(rough, min(_NEAREST, rough.shape[1]) - 1, axis=1)[:, :_NEAREST]
        # Anew, as the difference of squares keeps few digits of a small distance.
        squares = ((vectors[:, None, :] - self._anchors[nearest]) ** 2).sum(axis=2)
        weights = 1 / np.maximum(squares, 1e-12)
        weights /= weights.sum(axis=1, keepdims=True)
        places: Places = np.rint((weights[:, :, None] * self._plane[nearest]).sum(axis=1)).astype(np.uint16)
        return places
