"""The state of each embedding asset: what it covered when it was last materialized."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.names import QualifiedName
from embeddings_orch.store.tables.inputs import inputs_to_data, read_inputs
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("catalog_version", pa.int64(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("items_per_second", pa.float64()),
    ]
)


@dataclass(frozen=True)
class EmbeddingState:
    """One embedding asset's last materialization.

    Attributes:
        inputs: what the model was given.
        settings: the identity settings, to say what changed.
        catalog_version: version of the catalog it was made from.
        digest: hash over the content keys that were covered.
        items_per_second: measured when it last embedded something, else None.
    """

    fingerprint: str
    inputs: Inputs
    settings: dict[str, Any]
    catalog_version: int
    digest: str
    items_per_second: float | None


class StatesTable(TableOf):
    """One row per pipeline and embedding."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "embedding_states")

    def get(self, pipeline: str, embedding: str) -> EmbeddingState | None:
        """The last state, or None where the asset was never materialized."""
        rows = self.rows(f"key = {text(QualifiedName.of(pipeline, embedding))}")
        return _state(rows[0]) if rows else None

    def of_pipeline(self, pipeline: str) -> dict[str, EmbeddingState]:
        """The last state of every embedding of a pipeline that was ever materialized, by embedding."""
        rows = self.rows(f"starts_with(key, {text(f'{pipeline}/')})")
        return {QualifiedName(row["key"]).name: _state(row) for row in rows}

    def all(self) -> dict[tuple[str, str], EmbeddingState]:
        """The states of all pipelines of the store, by pipeline and embedding."""
        keyed = ((QualifiedName(row["key"]), row) for row in self.rows())
        return {(key.pipeline, key.name): _state(row) for key, row in keyed}

    def remove(self, pipeline: str, embedding: str) -> None:
        """Forget the state of an embedding."""
        self.delete_rows(f"key = {text(QualifiedName.of(pipeline, embedding))}")

    @guard
    def put(self, pipeline: str, embedding: str, state: EmbeddingState) -> None:
        """Keep a state; nothing is written where it is the same."""
        if self.get(pipeline, embedding) == state:
            return
        row = _row(QualifiedName.of(pipeline, embedding), state)
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        tidy(self)


def _row(key: QualifiedName, state: EmbeddingState) -> dict[str, Any]:
    values = {name: value for name, value in state.__dict__.items() if name != "inputs"}
    inputs, settings = json.dumps(inputs_to_data(state.inputs)), json.dumps(state.settings)
    return {**values, "key": key, "input": inputs, "settings": settings}


def _state(row: dict[str, Any]) -> EmbeddingState:
    values = {name: value for name, value in row.items() if name not in ("key", "input")}
    inputs, settings = read_inputs(row["input"]), json.loads(row["settings"])
    return EmbeddingState(**{**values, "inputs": inputs, "settings": settings})
