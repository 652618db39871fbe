"""The catalog: one row per media item of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.store.base import MERGED_COLUMNS, TableOf, guard, merge
from embeddings_orch.store.boxes import box, unbox
from embeddings_orch.store.conflicts import retry_conflicts

_DECLARED = b"embeddings_orch.media_version"
_ROOT = b"embeddings_orch.media_root"
_REWRITE_SHARE = 0.2
"""Above this share of changed rows the whole table is written anew, which is faster than a merge."""


class CatalogTable(TableOf):
    """Reads and writes one pipeline's catalog; every write is one commit."""

    @guard
    def read(self, version: int | None = None, columns: Sequence[str] | None = None) -> pa.Table | None:
        """All rows, sorted by id; None where it was never written, or the version is gone.

        Args:
            version: default the latest.
            columns: to read, ``id`` among them; default all.
        """
        table = self.database.read(self.name, columns=columns, version=version)
        return None if table is None else _sort(unbox(table))

    @guard
    def schema(self, version: int | None = None) -> pa.Schema | None:
        """The columns of a version, default the latest; None where it was never written, or is gone."""
        table = self.at(version)
        return None if table is None else unbox(table.schema.empty_table()).schema

    def version(self) -> int | None:
        """The latest version, or None where there is none."""
        table = self.at()
        return None if table is None else int(table.version)

    def media_version(self) -> str:
        """The version of the media's declaration that the catalog was written for; empty where that is not known."""
        table = self.at()
        return "" if table is None else _noted(table.schema, _DECLARED)

    def root(self) -> str:
        """The folder that the media were in when the catalog was written, by which its relative uris go; else empty."""
        table = self.at()
        return "" if table is None else _noted(table.schema, _ROOT)

    @guard
    def write(
        self, table: pa.Table, changed: list[str], deleted: list[str], *, media_version: str = "", root: str = ""
    ) -> int:
        """Make the catalog hold exactly ``table``.

        Args:
            table: all rows.
            changed: ids that are new or differ from what is stored.
            deleted: ids that are stored and no longer in ``table``.
            media_version: of the media's declaration.
            root: the folder that the media are in.

        Returns:
            The new version.
        """
        table = box(table).replace_schema_metadata({_DECLARED: media_version.encode(), _ROOT: root.encode()})
        self.database.prepare_write()
        stored = self.at()
        few = len(changed) + len(deleted) <= max(100, _REWRITE_SHARE * table.num_rows)
        few = few and table.num_columns <= MERGED_COLUMNS
        same_schema = stored is not None and stored.schema.equals(table.schema)
        same_notes = stored is not None and all(
            _noted(stored.schema, note) == _noted(table.schema, note) for note in (_DECLARED, _ROOT)
        )
        if few and same_schema and same_notes:
            rows = table.filter(pc.is_in(table["id"], pa.array(changed, pa.string())))
            retry_conflicts(lambda: merge(self.at(), rows, deleted))
        else:
            self.database.overwrite(self.name, table, primary_key="id")
        version = self.version()
        assert version is not None
        return version


def _noted(schema: pa.Schema, note: bytes) -> str:
    metadata: dict[bytes, bytes] = schema.metadata or {}
    return metadata.get(note, b"").decode()


def _sort(table: pa.Table) -> pa.Table:
    """Rows by id: they are written so, and a merge leaves them otherwise."""
    ids = table["id"].combine_chunks()
    # To look costs a hundredth of what sorting does, and that copies all.
    return table if pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py() is not False else table.sort_by("id")
