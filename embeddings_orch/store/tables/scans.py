"""What the last scan of each pipeline's media did not take in, told without a scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.names import MAIN, QualifiedName
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("notes", pa.string(), nullable=False),
    ]
)


class ScansTable(TableOf):
    """One row per deployment and pipeline; it reads and writes those of one deployment.

    Where all was taken in there is none.
    """

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "scans")
        self.deployment = deployment

    def get(self, pipeline: str) -> dict[str, Any]:
        """What was noted of the last scan, empty where nothing was."""
        rows = self.rows(f"key = {text(self._key(pipeline))}")
        notes: dict[str, Any] = json.loads(rows[0]["notes"]) if rows else {}
        return notes

    @guard
    def put(self, pipeline: str, notes: Mapping[str, Any]) -> None:
        """Keep the notes of a scan; nothing is written where they are the same, and no table made for none."""
        if self.get(pipeline) == notes:
            return
        if not notes:
            self.remove(pipeline)
            return
        row = {"key": self._key(pipeline), "deployment": self.deployment, "notes": json.dumps(notes)}
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        tidy(self)

    def remove(self, pipeline: str) -> None:
        """Forget the notes of a pipeline's last scan."""
        self.delete_rows(f"key = {text(self._key(pipeline))}")

    def _key(self, pipeline: str) -> QualifiedName:
        return QualifiedName.of(self.deployment, pipeline)
