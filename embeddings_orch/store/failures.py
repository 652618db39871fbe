"""Failures: contents that a model could not embed, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from embeddings_orch.embed_step import Failure
from embeddings_orch.store.base import Database, TableOf, guarded, in_list, text

_SCHEMA = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


class FailuresTable(TableOf):
    """Remembered by (fingerprint, key): ``item`` failures are skipped, ``transient`` ones tried again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "failures")

    def of(self, fingerprint: str) -> dict[str, Failure]:
        """The failures of one model, by key."""
        rows = self.rows(f"fingerprint = {text(fingerprint)}")
        return {row["key"]: Failure(row["key"], row["uri"] or "", row["reason"] or "", row["kind"]) for row in rows}

    @guarded
    def replace(self, fingerprint: str, forget: Iterable[str], failures: Sequence[Failure]) -> None:
        """Forget some keys of a model, and remember failures; nothing is written where nothing changes."""
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

    def count(self) -> int:
        """All remembered failures of the store."""
        table = self.at()
        return 0 if table is None else int(table.count_rows())
