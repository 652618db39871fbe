"""What scans deleted from a catalog, so that who follows it need not compare all ids."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.store.base import Database, TableOf, guard, text
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
    ]
)

_FORGOTTEN = ""
"""The id, which no item has, of the row that says up to which version deletions were forgotten."""


class TombstonesTable(TableOf):
    """The ids that one catalog once had, each with the version that lacked it for the first time."""

    def __init__(self, database: Database, name: str, catalog: str) -> None:
        super().__init__(database, name)
        self.catalog = catalog

    @guard
    def add(self, ids: Collection[str], version: int) -> None:
        """Note ids that the catalog's next commit deletes: before it, so that no deletion goes unnoted.

        Args:
            ids: of the items.
            version: of the catalog, the first that will lack them.
        """
        if ids:
            table = self.database.create(self.name, _SCHEMA)
            table.add(pa.table([pa.array(ids, pa.string()), pa.repeat(pa.scalar(version), len(ids))], schema=_SCHEMA))
            tidy(self)

    @guard
    def deleted_since(self, version: int, now: int | None = None) -> pa.Array | None:
        """The ids that the catalog had at a version, or after it, and has no more; None where that was forgotten.

        An id that came back is not among them.

        Args:
            version: of the catalog, earlier than the one that is looked at.
            now: the version that is looked at; default the latest.
        """
        rows = self.database.read(self.name, where=f"version > {version}")
        if rows is None:
            return pa.array([], pa.string())
        deleted = pc.unique(rows["id"].combine_chunks())
        if pc.is_in(pa.scalar(_FORGOTTEN), deleted).as_py():
            return None
        catalog = self.database.read(self.catalog, columns=["id"], version=now)
        there = pa.array([], pa.string()) if catalog is None else catalog["id"].combine_chunks()
        return deleted.filter(pc.invert(pc.is_in(deleted, there)))

    @guard
    def forget(self, version: int) -> None:
        """Drop what was deleted up to a version, which nobody covers an earlier one than."""
        self.database.prepare_write()
        table = self.at()
        if table is None:
            return
        old = f"version <= {version}"
        if not table.count_rows(f"{old} AND id <> {text(_FORGOTTEN)}"):
            return
        # First the note, then the rows.
        marker = pa.table([pa.array([_FORGOTTEN]), pa.array([version])], schema=_SCHEMA)
        table.add(marker)
        table.delete(f"({old} AND id <> {text(_FORGOTTEN)}) OR (id = {text(_FORGOTTEN)} AND version < {version})")
        tidy(self)
