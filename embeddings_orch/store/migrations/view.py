"""A store of an older format read as if it had format 3, with nothing written to it."""

from __future__ import annotations

import tempfile
import threading
from functools import cached_property
from typing import Any

from embeddings_orch.store.migrations.copying import Copying
from embeddings_orch.store.migrations.layout import new_name, old_name
from embeddings_orch.store.migrations.old import OldStore, drop_table

IN_MEMORY = 1 << 30
"""Bytes of a store up to which it is converted in memory; a larger one in a temporary folder."""


class OlderView:
    """Converts a table when it is read, and again when somebody wrote to it since; for any number of threads.

    Args:
        db: LanceDB's connection to the store.
    """

    def __init__(self, db: Any) -> None:
        self._old = OldStore(db)
        self._lock = threading.Lock()
        self._stamps: dict[str, int] = {}
        self._catalogs: dict[tuple[str, int], int] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def names(self) -> list[str]:
        """All tables by their names in format 3; what a migration has begun to write is not among them."""
        ours = {*self._old.old_names()}
        names = self._old.names()
        return [str(new_name(name)) if name in ours else name for name in names if old_name(name) is None]

    def with_table(self, name: str) -> Any:
        """LanceDB's connection to a database that has a table, if the store does.

        Args:
            name: of format 3, of a table that had another one.

        Raises:
            OSError, RuntimeError, ValueError: LanceDB's error.
        """
        with self._lock:
            old = old_name(name)
            if old is not None:
                self._convert(old)
        return self._db

    def close(self) -> None:
        """Remove what was converted, once the store itself has it."""
        if self._folder is not None:
            self._folder.cleanup()

    @cached_property
    def _db(self) -> Any:
        import lancedb

        if sum(self._old.bytes(name) for name in self._old.old_names()) <= IN_MEMORY:
            return lancedb.connect("memory://")
        self._folder = tempfile.TemporaryDirectory(prefix="embeddings-orch-", ignore_cleanup_errors=True)
        return lancedb.connect(self._folder.name)

    def _convert(self, old: str) -> None:
        version = self._old.version(old)
        if old == "embedding_states":
            for pipeline in self._old.pipelines():
                self._convert(f"catalog.{pipeline}")
        if self._stamps.get(old) == version:
            return
        if version is None:
            self._stamps.pop(old, None)
            drop_table(self._db, str(new_name(old)))
            return
        Copying(self._old, self._db, catalogs=self._catalogs).copy(old)
        self._stamps[old] = version
        if old.startswith("catalog."):
            # They name its versions, which have other numbers now.
            self._stamps.pop("embedding_states", None)
