"""The published pointer of each index: the generation that search follows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.names import MAIN, DeployedName
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("held", pa.bool_(), nullable=False),
        pa.field("updated_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("hold_version", pa.string()),
    ]
)


@dataclass(frozen=True)
class Pointer:
    """Where an index's search points.

    Attributes:
        generation: None before the first publish.
        held: whether runs leave it where it is.
        hold_version: hash of the declaration that it is held against; another declaration ends the hold.
    """

    generation: str | None
    held: bool = False
    hold_version: str = ""


class PointersTable(TableOf):
    """One row per deployment, pipeline and index, moved by compare-and-swap; every search reads one."""

    remembered = True

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "pointers")
        self.deployment = deployment

    def get(self, pipeline: str, index: str) -> Pointer:
        """The pointer of one index."""
        rows = self.rows(f"key = {text(self._key(pipeline, index))}")
        return _pointer(rows[0]) if rows else Pointer(None)

    def of_pipeline(self, pipeline: str, indexes: Iterable[str]) -> dict[str, Pointer]:
        """The pointers of some indexes of a pipeline, by index; those never published are among them."""
        keys = {self._key(pipeline, index): index for index in indexes}
        pointers = {row["key"]: _pointer(row) for row in self.rows(in_list("key", keys))} if keys else {}
        return {index: pointers.get(key, Pointer(None)) for key, index in keys.items()}

    def all(self) -> dict[tuple[str, str], Pointer]:
        """All pointers of the deployment, by pipeline and index."""
        rows = self.rows(f"deployment = {text(self.deployment)}")
        keyed = ((DeployedName(row["key"]).qualified, row) for row in rows)
        return {(key.pipeline, key.name): _pointer(row) for key, row in keyed}

    @guard
    def swap(self, pipeline: str, index: str, expected: Pointer | str | None, target: Pointer | str | None) -> bool:
        """Point an index at a generation if it still points at the expected one, and is held or not as expected.

        Args:
            pipeline: the pipeline's name.
            index: the index.
            expected: the pointer as it was read; a generation stands for one that is not held.
            target: the pointer as it shall be; a generation stands for one that is not held.

        Returns:
            False where another publish, or a hold, came first; nothing is changed then.
        """
        before, after = _as_pointer(expected), _as_pointer(target)
        key = self._key(pipeline, index)
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        now = self.get(pipeline, index)
        if (now.generation, now.held) != (before.generation, before.held):
            return False
        if now.generation is None and not self.rows(f"key = {text(key)}"):
            row = {
                "key": key,
                "deployment": self.deployment,
                "generation": "",
                "held": False,
                "updated_at": datetime.now(UTC),
                "hold_version": "",
            }
            rows = pa.Table.from_pylist([row], schema=_SCHEMA)
            table.merge_insert("key").when_not_matched_insert_all().execute(rows)
        generation = text(before.generation or "")
        result = table.update(
            where=f"key = {text(key)} AND generation = {generation} AND held = {str(before.held).lower()}",
            values={
                "generation": after.generation or "",
                "held": after.held,
                "hold_version": after.hold_version,
                "updated_at": datetime.now(UTC),
            },
        )
        tidy(self)
        return int(result.rows_updated) == 1

    def remove(self, pipeline: str, index: str) -> None:
        """Forget the pointer of an index."""
        self.delete_rows(f"key = {text(self._key(pipeline, index))}")

    def _key(self, pipeline: str, index: str) -> DeployedName:
        return DeployedName.of(self.deployment, pipeline, index)


def _as_pointer(value: Pointer | str | None) -> Pointer:
    return value if isinstance(value, Pointer) else Pointer(value)


def _pointer(row: dict[str, Any]) -> Pointer:
    return Pointer(row["generation"] or None, row["held"], row["hold_version"] or "")
