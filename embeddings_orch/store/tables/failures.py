"""Failures: contents that a model could not embed, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embeddings_orch.models.content import Failure
from embeddings_orch.models.keys import KEY
from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("key", KEY, nullable=False),
        pa.field("uri", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True)
class Remembered:
    """A failure and when it happened."""

    failure: Failure
    at: datetime


class FailuresTable(TableOf):
    """Remembered by (fingerprint, key): ``item`` failures are skipped, the others looked at again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "embedding_failures")

    def of(self, fingerprint: str) -> dict[bytes, Failure]:
        """The failures of one model, by key."""
        return {key: remembered.failure for key, remembered in self.read(fingerprint).items()}

    @guard
    def replace(self, fingerprint: str, forget: Iterable[bytes], failures: Sequence[Failure]) -> None:
        """Forget some keys of a model, and remember failures; nothing is written where nothing changes."""
        self.database.prepare_write()
        known = self.of(fingerprint)
        same = {failure.key for failure in failures if known.get(failure.key) == failure}
        stale = [key for key in {*forget, *(failure.key for failure in failures)} if key in known and key not in same]
        fresh = [failure for failure in failures if failure.key not in same]
        if stale and (table := self.at()) is not None:
            for start in range(0, len(stale), 5000):
                where = in_list("key", stale[start : start + 5000])
                table.delete(f"fingerprint = {text(fingerprint)} AND {where}")
        if fresh:
            now = datetime.now(UTC)
            rows = [
                {
                    "fingerprint": fingerprint,
                    "key": f.key,
                    "uri": f.uri,
                    "reason": f.reason,
                    "kind": f.kind,
                    "at": now,
                }
                for f in fresh
            ]
            self.database.create(self.name, _SCHEMA).add(pa.Table.from_pylist(rows, schema=_SCHEMA))
        if stale or fresh:
            tidy(self)

    @guard
    def by_fingerprint(self) -> dict[str, list[Remembered]]:
        """All failures of the store, by model."""
        failures: dict[str, list[Remembered]] = {}
        for row in self.rows():
            failures.setdefault(row["fingerprint"], []).append(_parse_row(row))
        return failures

    def read(self, fingerprint: str) -> dict[bytes, Remembered]:
        """The failures of one model with the time they happened, by key."""
        return {row["key"]: _parse_row(row) for row in self.rows(f"fingerprint = {text(fingerprint)}")}

    def forget(self, fingerprint: str) -> None:
        """Forget all failures of a model."""
        self.delete_rows(f"fingerprint = {text(fingerprint)}")

    def count(self) -> int:
        """All remembered failures of the store."""
        return self.total()


def _parse_row(row: dict[str, Any]) -> Remembered:
    return Remembered(Failure(row["key"], row["uri"] or "", row["reason"] or "", row["kind"]), row["at"])
