"""The state of each index asset: what it was made from when it was last materialized."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.names import MAIN, DeployedName
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("catalog_version", pa.int64(), nullable=False),
        pa.field("vectors_versions", pa.string(), nullable=False),
        pa.field("digest", pa.binary(32)),
    ]
)


@dataclass(frozen=True)
class IndexState:
    """One index asset's last materialization.

    Attributes:
        generation: that it ended with.
        catalog_version: version of the catalog it was made from.
        vectors_versions: version of each model's vectors, by fingerprint.
        digest: the sum of the digests of its rows, 32 bytes; None where it is not known.
    """

    generation: str
    catalog_version: int
    vectors_versions: dict[str, int]
    digest: bytes | None = None


class IndexStatesTable(TableOf):
    """One row per deployment, pipeline and index; it reads and writes those of one deployment."""

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "index_states")
        self.deployment = deployment

    def get(self, pipeline: str, index: str) -> IndexState | None:
        """The last state, or None where the asset was never materialized."""
        rows = self.rows(f"key = {text(self._key(pipeline, index))}")
        return _state(rows[0]) if rows else None

    def of_pipeline(self, pipeline: str) -> dict[str, IndexState]:
        """The last state of every index of a pipeline that was ever materialized, by index."""
        rows = self.rows(f"starts_with(key, {text(self._key(pipeline, ''))})")
        return {DeployedName(row["key"]).qualified.name: _state(row) for row in rows}

    def all(self) -> dict[tuple[str, str], IndexState]:
        """The states of all pipelines of the deployment, by pipeline and index."""
        rows = self.rows(f"deployment = {text(self.deployment)}")
        keyed = ((DeployedName(row["key"]).qualified, row) for row in rows)
        return {(key.pipeline, key.name): _state(row) for key, row in keyed}

    def renumber_catalog(self, pipeline: str, before: int, after: int) -> None:
        """Note that a version of a pipeline's catalog has the same rows as a later one."""
        where = f"starts_with(key, {text(self._key(pipeline, ''))}) AND catalog_version = {before}"
        self._update(where, {"catalog_version": after})

    def renumber_vectors(self, fingerprint: str, before: int, after: int) -> None:
        """Note that a version of a model's vectors has the same rows as a later one, for all deployments."""
        for row in self.rows(f"contains(vectors_versions, {text(fingerprint)})"):
            versions = json.loads(row["vectors_versions"])
            if versions[fingerprint] == before:
                where = f"key = {text(row['key'])} AND vectors_versions = {text(row['vectors_versions'])}"
                self._update(where, {"vectors_versions": _to_json({**versions, fingerprint: after})})

    @guard
    def _update(self, where: str, values: dict[str, Any]) -> None:
        self.database.prepare_write()
        table = self.at()
        if table is not None and table.count_rows(where):
            retry_conflicts(lambda: table.update(where, values))

    def forget_catalog(self, pipeline: str) -> None:
        """Forget the states of a pipeline whose catalog begins anew."""
        self.delete_rows(f"starts_with(key, {text(self._key(pipeline, ''))})")

    def forget_vectors(self, fingerprint: str) -> None:
        """Forget the states, of all deployments, of indexes over a model whose table of vectors begins anew."""
        self.delete_rows(f"contains(vectors_versions, {text(fingerprint)})")

    def remove(self, pipeline: str, index: str) -> None:
        """Forget the state of an index."""
        self.delete_rows(f"key = {text(self._key(pipeline, index))}")

    @guard
    def put(self, pipeline: str, index: str, state: IndexState) -> None:
        """Keep a state; nothing is written where it is the same."""
        if self.get(pipeline, index) == state:
            return
        row = {
            "key": self._key(pipeline, index),
            "deployment": self.deployment,
            "generation": state.generation,
            "catalog_version": state.catalog_version,
            "vectors_versions": _to_json(state.vectors_versions),
            "digest": state.digest,
        }
        table = self.database.create(self.name, _SCHEMA, primary_key="key")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        tidy(self)

    def _key(self, pipeline: str, index: str) -> DeployedName:
        return DeployedName.of(self.deployment, pipeline, index)


def _to_json(versions: dict[str, int]) -> str:
    return json.dumps(versions, sort_keys=True)


def _state(row: dict[str, Any]) -> IndexState:
    return IndexState(row["generation"], row["catalog_version"], json.loads(row["vectors_versions"]), row["digest"])
