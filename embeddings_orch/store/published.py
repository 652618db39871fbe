"""The published pointer of each index: the generation that search follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guarded, text

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("held", pa.bool_(), nullable=False),
        pa.field("updated_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


@dataclass(frozen=True)
class Pointer:
    """Where an index's search points; ``generation`` is None before the first publish."""

    generation: str | None
    held: bool = False


class PublishedTable(TableOf):
    """One row per pipeline and index, moved by compare-and-swap."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "published")

    def get(self, pipeline: str, index: str) -> Pointer:
        """The pointer of one index."""
        rows = self.rows(f"key = {text(f'{pipeline}/{index}')}")
        return Pointer(rows[0]["generation"] or None, rows[0]["held"]) if rows else Pointer(None)

    @guarded
    def swap(self, pipeline: str, index: str, expected: str | None, generation: str) -> bool:
        """Point an index at a generation if it still points at the expected one.

        Returns:
            False where another publish came first; nothing is changed then.
        """
        key = f"{pipeline}/{index}"
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        if (now := self.get(pipeline, index)).generation != expected:
            return False
        if now.generation is None:
            row = {"key": key, "generation": "", "held": False, "updated_at": datetime.now(UTC)}
            rows = pa.Table.from_pylist([row], schema=_SCHEMA)
            table.merge_insert("key").when_not_matched_insert_all().execute(rows)
        result = table.update(
            where=f"key = {text(key)} AND generation = {text(expected or '')}",
            values={"generation": generation, "updated_at": datetime.now(UTC)},
        )
        return int(result.rows_updated) == 1
