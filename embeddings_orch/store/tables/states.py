"""The state of each embedding asset: what it covered when it was last materialized."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.names import MAIN, DeployedName
from embeddings_orch.store.tables.inputs import inputs_to_data, read_inputs
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("catalog_version", pa.int64(), nullable=False),
        pa.field("digest", pa.binary(32), nullable=False),
        pa.field("items_per_second", pa.float64()),
        pa.field("vectors_version", pa.int64()),
        pa.field("contents", pa.int64()),
        pa.field("covered", pa.int64()),
        pa.field("failed", pa.int64()),
    ]
)


@dataclass(frozen=True)
class EmbeddingState:
    """One embedding asset's last materialization.

    Attributes:
        inputs: what the model was given.
        settings: the identity settings, to say what changed.
        catalog_version: version of the catalog it was made from.
        digest: hash over the content keys that were covered, 64 hex digits.
        items_per_second: measured when it last embedded something, else None.
        vectors_version: version of the vectors' table that was covered; None where it is not known, as the following.
        contents: distinct contents of the catalog.
        covered: of these, those that have a vector.
        failed: of these, those that have none because they failed.
    """

    fingerprint: str
    inputs: Inputs
    settings: dict[str, Any]
    catalog_version: int
    digest: str
    items_per_second: float | None
    vectors_version: int | None = None
    contents: int | None = None
    covered: int | None = None
    failed: int | None = None


@dataclass(frozen=True)
class DeployedState:
    """A state with whose it is."""

    deployment: str
    pipeline: str
    embedding: str
    state: EmbeddingState


class StatesTable(TableOf):
    """One row per deployment, pipeline and embedding; it reads and writes those of one deployment."""

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "states")
        self.deployment = deployment

    def get(self, pipeline: str, embedding: str) -> EmbeddingState | None:
        """The last state, or None where the asset was never materialized."""
        rows = self.rows(f"key = {text(self._key(pipeline, embedding))}")
        return _state(rows[0]) if rows else None

    def of_pipeline(self, pipeline: str) -> dict[str, EmbeddingState]:
        """The last state of every embedding of a pipeline that was ever materialized, by embedding."""
        rows = self.rows(f"starts_with(key, {text(self._key(pipeline, ''))})")
        return {DeployedName(row["key"]).qualified.name: _state(row) for row in rows}

    def all(self) -> dict[tuple[str, str], EmbeddingState]:
        """The states of all pipelines of the deployment, by pipeline and embedding."""
        rows = self.rows(f"deployment = {text(self.deployment)}")
        keyed = ((DeployedName(row["key"]).qualified, row) for row in rows)
        return {(key.pipeline, key.name): _state(row) for key, row in keyed}

    def everywhere(self) -> list[DeployedState]:
        """The states of all deployments of the store."""
        keyed = ((DeployedName(row["key"]), row) for row in self.rows())
        return [
            DeployedState(key.deployment, key.qualified.pipeline, key.qualified.name, _state(row)) for key, row in keyed
        ]

    def renumber_catalog(self, pipeline: str, before: int, after: int) -> None:
        """Note that a version of a pipeline's catalog has the same rows as a later one."""
        where = f"starts_with(key, {text(self._key(pipeline, ''))}) AND catalog_version = {before}"
        self._update(where, {"catalog_version": str(after)})

    def renumber_vectors(self, fingerprint: str, before: int, after: int) -> None:
        """Note that a version of a model's vectors has the same rows as a later one, for all deployments."""
        where = f"fingerprint = {text(fingerprint)} AND vectors_version = {before}"
        self._update(where, {"vectors_version": str(after)})

    def forget_catalog(self, pipeline: str) -> None:
        """Note that a pipeline's catalog begins anew: no state says any more that nothing was written since."""
        self._forget_versions(f"starts_with(key, {text(self._key(pipeline, ''))})")

    def forget_vectors(self, fingerprint: str) -> None:
        """Note that a model's table of vectors begins anew, for all deployments: as `forget_catalog`."""
        self._forget_versions(f"fingerprint = {text(fingerprint)}")

    def _forget_versions(self, where: str) -> None:
        self._update(f"{where} AND vectors_version IS NOT NULL", {"vectors_version": "CAST(NULL AS BIGINT)"})

    @guard
    def _update(self, where: str, values: dict[str, str]) -> None:
        self.database.prepare_write()
        table = self.at()
        if table is not None and table.count_rows(where):
            retry_conflicts(lambda: table.update(where, values_sql=values))

    def remove(self, pipeline: str, embedding: str) -> None:
        """Forget the state of an embedding."""
        self.delete_rows(f"key = {text(self._key(pipeline, embedding))}")

    @guard
    def put(self, pipeline: str, embedding: str, state: EmbeddingState) -> None:
        """Keep a state; nothing is written where it is the same."""
        if self.get(pipeline, embedding) == state:
            return
        row = {**_row(state), "key": self._key(pipeline, embedding), "deployment": self.deployment}
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        tidy(self)

    def _key(self, pipeline: str, embedding: str) -> DeployedName:
        return DeployedName.of(self.deployment, pipeline, embedding)


def _row(state: EmbeddingState) -> dict[str, Any]:
    values = {name: value for name, value in state.__dict__.items() if name != "inputs"}
    inputs, settings = json.dumps(inputs_to_data(state.inputs)), json.dumps(state.settings)
    return {**values, "input": inputs, "settings": settings, "digest": bytes.fromhex(state.digest)}


def _state(row: dict[str, Any]) -> EmbeddingState:
    values = {name: value for name, value in row.items() if name not in ("key", "deployment", "input")}
    inputs, settings = read_inputs(row["input"]), json.loads(row["settings"])
    return EmbeddingState(**{**values, "inputs": inputs, "settings": settings, "digest": row["digest"].hex()})
