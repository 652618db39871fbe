"""A vector column of a generation, as what measures it and compares it reads it."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.store.generations import Generation, IndexedModel
from embeddings_orch.store.index_table import IndexTable


@dataclass(frozen=True)
class VectorColumn:
    """Where the vectors of one model of a generation are.

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
    def version(self) -> int:
        """The table's version."""
        return self.generation.version

    @property
    def metric(self) -> str:
        """The measure of nearness: cosine, dot or l2."""
        return self.generation.metric
