"""Publications: the log of every move of a published pointer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.names import MAIN, DeployedName, TableName
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("previous", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

PublicationKind = Literal["publish", "rollback"]


@dataclass(frozen=True)
class Publication:
    """One move of an index's pointer.

    Attributes:
        previous: the generation that was published before, None where there was none.
        kind: ``publish`` goes on to a generation, ``rollback`` back to one.
    """

    index: str
    generation: str
    previous: str | None
    kind: PublicationKind
    at: datetime


class PublicationsTable(TableOf):
    """One row a move of a deployment's pointer, written after it; a killed process can leave a move out."""

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "publication_log")
        self.deployment = deployment

    def of(self, pipeline: str, index: str) -> list[Publication]:
        """The moves of one index, oldest first."""
        return _sort(self.rows(f"key = {text(DeployedName.of(self.deployment, pipeline, index))}"))

    def of_pipeline(self, pipeline: str) -> list[Publication]:
        """The moves of all indexes of a pipeline, oldest first."""
        return _sort(self.rows(f"starts_with(key, {text(DeployedName.of(self.deployment, pipeline, ''))})"))

    @guard
    def add(self, pipeline: str, index: str, *, generation: str, previous: str | None, kind: PublicationKind) -> None:
        """Log a move that was made now."""
        row = {
            "key": DeployedName.of(self.deployment, pipeline, index),
            "deployment": self.deployment,
            "generation": generation,
            "previous": previous or "",
            "kind": kind,
            "at": datetime.now(UTC),
        }
        self.database.create(self.name, _SCHEMA).add(pa.Table.from_pylist([row], schema=_SCHEMA))
        tidy(self)

    def remove(self, generation: str) -> None:
        """Forget a generation that the deployment keeps no more."""
        self._forget(f"deployment = {text(self.deployment)} AND " + "{column} = " + text(generation))

    def remove_table(self, table: str) -> None:
        """Forget what all deployments published of an index table: made again, it counts its versions from 1 again."""
        self._forget("starts_with({column}, " + text(f"{TableName(table).hash}-") + ")")

    @guard
    def _forget(self, where: str) -> None:
        self.delete_rows(where.format(column="generation"))
        table, where = self.at(), where.format(column="previous")
        if table is not None and table.count_rows(where):
            table.update(where=where, values={"previous": ""})


def _sort(rows: list[dict[str, Any]]) -> list[Publication]:
    publications = [
        Publication(
            DeployedName(row["key"]).qualified.name, row["generation"], row["previous"] or None, row["kind"], row["at"]
        )
        for row in rows
    ]
    return sorted(publications, key=lambda publication: publication.at)
