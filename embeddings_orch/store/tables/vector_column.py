"""A vector column of a generation, as what measures, compares and maps it reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from embeddings_orch.models.content import Vectors
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.index_reader import IndexReader
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.vectors import matrix_of


@dataclass(frozen=True)
class VectorColumn:
    """The vectors that one model made for a generation.

    Every method raises `StoreError` where the generation's version of the table is gone.

    Attributes:
        table: of the generation.
        generation: one version of the table.
        model: the one that made the vectors.
    """

    table: IndexTable
    generation: Generation
    model: IndexedModel

    @property
    def name(self) -> str:
        """The column's name in the table."""
        return self.model.column

    @property
    def metric(self) -> str:
        """The measure of nearness: cosine, dot or l2."""
        return self.generation.metric

    @property
    def dimensions(self) -> int:
        """The length of its vectors, as the table has it."""
        return int(self.table.schema(self.generation.version).field(self.name).type.list_size)

    @property
    def approximate(self) -> bool:
        """Whether it has an approximate index."""
        return self.table.approximate(self.name, self.generation.version)

    @cached_property
    def _reader(self) -> IndexReader:
        return self.table.reader(self.generation.version)

    def count(self) -> int:
        """Rows that have a vector."""
        return self.table.count(self.generation.version, self.name)

    def ids(self) -> Iterator[pa.Array]:
        """The ids of the rows that have a vector, a batch at a time."""
        for batch in self.table.scan(self.generation.version, ["id"], where=f"`{self.name}` IS NOT NULL"):
            yield batch["id"].cast(pa.string())

    def scan(self, *others: str, where: str | None = None) -> Iterator[pa.RecordBatch]:
        """The vectors of all rows, or of those that match, null where a row has none; in batches.

        Args:
            others: further columns.
            where: a condition in SQL.
        """
        return self.table.scan(self.generation.version, [*others, self.name], where=where)

    def sample(self, count: int) -> Vectors:
        """Up to ``count`` vectors, spread evenly over the table; shape (n, dimensions)."""
        return matrix_of(self.table.sample(self.generation.version, self.name, count)[self.name])

    def nearest(self, vector: Vectors, limit: int) -> pa.Table:
        """The ids and distances of the rows nearest to a vector, as a search finds them.

        Args:
            vector: shape (dimensions,).
            limit: at most so many rows.
        """
        return self._reader.nearest(
            vector, self.name, metric=self.metric, limit=limit, columns=["id"], search=self.generation.search
        )

    def nearest_distances(self, vectors: Vectors, limit: int) -> list[list[float]]:
        """For each of several vectors, shape (n, dimensions), the distances that `nearest` finds."""
        return self.table.nearest_distances(
            vectors,
            self.name,
            version=self.generation.version,
            metric=self.metric,
            limit=limit,
            search=self.generation.search,
        )
