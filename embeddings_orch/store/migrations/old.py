"""A store of an older format, as migrations read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import is_missing
from embeddings_orch.store.migrations.layout import is_others, new_name
from embeddings_orch.store.reading import list_tables, read_rows

_BATCH = 8192


class OldStore:
    """Reads tables by their old names; every method raises LanceDB's own errors.

    Args:
        db: LanceDB's connection.
    """

    def __init__(self, db: Any) -> None:
        self.db = db

    def names(self) -> list[str]:
        """All tables, of whatever format."""
        return list_tables(self.db)

    def old_names(self, beginning: str = "") -> list[str]:
        """The tables that have another name in format 3; those of others, which only have such names, are left out."""
        names = [name for name in self.names() if name.startswith(beginning) and new_name(name)]
        return [name for name in names if not self.is_others(name)]

    def pipelines(self) -> list[str]:
        """The pipelines that have a catalog."""
        return [name.removeprefix("catalog.") for name in self.old_names("catalog.")]

    def is_others(self, name: str) -> bool:
        """Whether a table is there that has a name of ours and is somebody else's."""
        table = self._open(name)
        return table is not None and is_others(name, table.schema)

    def open(self, name: str) -> Any | None:
        """A table, or None where there is none of ours."""
        table = self._open(name)
        return None if table is None or is_others(name, table.schema) else table

    def _open(self, name: str) -> Any | None:
        try:
            return self.db.open_table(name)
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            if is_missing(error):
                return None
            raise

    def drop(self, name: str) -> None:
        """Remove a table, whole or half removed; nothing where there is none."""
        drop_table(self.db, name)

    def version(self, name: str) -> int | None:
        """A table's latest version, or None where there is none."""
        table = self.open(name)
        return None if table is None else int(table.version)

    def versions(self, name: str) -> list[int]:
        """A table's versions, oldest first."""
        table = self.open(name)
        return [] if table is None else sorted(int(version["version"]) for version in table.list_versions())

    def schema(self, name: str, version: int) -> pa.Schema | None:
        """The schema of a version; None where that is gone."""
        table = self.open(name)
        if table is not None:
            try:
                table.checkout(version)
            except (ValueError, RuntimeError, OSError):
                return None
        return None if table is None else table.schema

    def read(self, name: str, *, columns: Sequence[str] | None = None, version: int | None = None) -> pa.Table | None:
        """A table's rows, at its latest version unless one is given; None where that is not there."""
        if self.is_others(name):
            return None
        return read_rows(self.db, name, columns=columns, version=version)

    def bytes(self, name: str) -> int:
        """The bytes of the data of a table's latest version; of one that is not there, none."""
        table = self.open(name)
        return 0 if table is None else int(table.stats()["total_bytes"])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a small table as plain values; of one that is not there, none."""
        table = self.read(name)
        rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
        return rows

    def vectors(self, name: str) -> tuple[pa.ChunkedArray, Iterator[pa.RecordBatch], int]:
        """The keys of a table of vectors, batches of its vectors in the same order, and their dimensions."""
        table = self.db.open_table(name)
        # Of one version, so that the order is the same whatever others write meanwhile.
        table.checkout(table.version)
        keys = table.search().select(["key"]).to_arrow()["key"]
        batches = table.search().select(["vector"]).to_batches(_BATCH)
        return keys, iter(batches), int(table.schema.field("vector").type.list_size)


def drop_table(db: Any, name: str) -> None:
    """Remove a table, whole or half removed; nothing where there is none."""
    try:
        db.drop_table(name)
    except (OSError, RuntimeError, ValueError) as error:
        if not is_missing(error):
            raise
