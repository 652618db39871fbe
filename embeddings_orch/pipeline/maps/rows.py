"""The vectors that a map is made of, in batches and never held all at once; how far Lance reads ahead is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embeddings_orch.models.content import Vectors
from embeddings_orch.store.tables.vector_column import VectorColumn
from embeddings_orch.store.tables.vectors import matrix_of

_ALL = 2**64 - 1


@dataclass(frozen=True)
class MapRows:
    """The rows of a generation that have a vector in a column."""

    column: VectorColumn

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return self.column.count()

    def batches(self, most: int) -> Iterator[tuple[pa.Array, Vectors]]:
        """Ids and finite vectors, shape (n, dimensions), of at most so many rows in the table's order.

        Which rows is told by a hash of their ids alone, so that the same ones are chosen of a later version, less those
        that new ones displace; and fewer rows are always among more.
        """
        limit = self._limit(most)
        for batch in self.column.scan("id"):
            rows = batch.filter(batch[self.column.name].is_valid())
            if limit < _ALL:
                rows = rows.filter(pa.array(_hashes(rows["id"]) <= limit))
            vectors = matrix_of(rows[self.column.name])
            finite = np.isfinite(vectors).all(axis=1)
            if finite.any():
                yield rows["id"].filter(pa.array(finite)), vectors[finite]

    def sample(self, most: int) -> tuple[pa.Array, Vectors]:
        """At most so many rows at once."""
        ids, vectors = [], []
        for some, matrix in self.batches(most):
            ids.append(some)
            vectors.append(matrix)
        if not ids:
            return pa.array([], pa.string()), np.zeros((0, 0), dtype=np.float32)
        return pa.concat_arrays(ids), np.concatenate(vectors)

    def _limit(self, most: int) -> int:
        """The largest hash of the rows that are chosen."""
        return _ALL if self.count <= most else int(np.partition(self._all_hashes, most - 1)[most - 1])

    @cached_property
    def _all_hashes(self) -> npt.NDArray[np.uint64]:
        return np.concatenate([_hashes(ids) for ids in self.column.ids()])


def _hashes(ids: pa.Array) -> npt.NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(item.encode(), digest_size=8).digest() for item in ids.to_pylist())
    return np.frombuffer(joined, dtype=np.uint64)
