"""The LanceDB database of a store, at a folder or an object store's URI, and the format of its tables."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from embeddings_orch.errors import StoreError
from embeddings_orch.store.base import as_store_error, is_missing
from embeddings_orch.store.boxes import dense
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.creating import create_table, make_table, mark_key
from embeddings_orch.store.memory import RowMemory
from embeddings_orch.store.migrations.format_3 import migrate_to_3
from embeddings_orch.store.migrations.layout import FORMAT_3, old_name
from embeddings_orch.store.migrations.view import OlderView
from embeddings_orch.store.names import MAIN, check_deployment
from embeddings_orch.store.reading import list_tables, read_rows

T = TypeVar("T")

FORMAT = 3
"""Version of the tables' layout. An older store is read as it is and migrated by the first write; a newer one refused.
"""

_META_SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())])

_FORMAT_ROW = "key = 'format'"


class LanceDatabase:
    """Opens, reads and makes tables; makes none before something is written.

    Args:
        uri: a folder, or ``s3://bucket/prefix`` (credentials come from the environment).
        deployment: whose catalogs, states and pointers are read and written; vectors and index tables are everybody's.

    Raises:
        StoreError: the place cannot be used, a newer version of this package wrote it, or the deployment has no name.
    """

    def __init__(self, uri: str, deployment: str = MAIN) -> None:
        self.uri = uri
        self.deployment = check_deployment(deployment)
        self._lock = threading.Lock()
        self._marked = False
        self._current = False
        self._memory = RowMemory(uri)

    def __reduce__(self) -> tuple[type[LanceDatabase], tuple[str, str]]:
        return type(self), (self.uri, self.deployment)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written here."""
        return self._present and self._format() is not None

    @property
    def _present(self) -> bool:
        # Connecting makes the folder, and reading must not.
        if "://" in self.uri:
            return True
        if Path(self.uri).exists() and not Path(self.uri).is_dir():
            raise StoreError(f"the store {self.uri} cannot be used: it is a file, not a folder")
        return Path(self.uri).is_dir()

    @cached_property
    def _db(self) -> Any:
        # Lance warns of every table that is new.
        os.environ.setdefault("LANCEDB_LOG", "error")
        import lancedb

        try:
            db = lancedb.connect(self.uri)
            stored_format = _parse_format(read_rows(db, "meta", where=_FORMAT_ROW))
        except (OSError, RuntimeError, ValueError) as error:
            raise as_store_error(f"the store {self.uri} cannot be used", error) from error
        if stored_format is not None and stored_format > FORMAT:
            raise StoreError(
                f"the store {self.uri} has format {stored_format}, this version reads up to {FORMAT}: "
                "upgrade embeddings-orch, or use another store"
            )
        return db

    def _format(self) -> int | None:
        return _parse_format(self.read_small("meta", _FORMAT_ROW))

    def prepare_write(self) -> None:
        """Bring a store of an older format to the present one: before what is read is changed."""
        with self._lock:
            if (not self._marked or self._is_older()) and self.exists:
                self._mark_format()

    @cached_property
    def _view(self) -> OlderView:
        return OlderView(self._db)

    def _is_older(self, name: str = "") -> bool:
        """Whether a table, or any, has another name in this store, and so is read through its view."""
        if self._current or (name and old_name(name) is None):
            return False
        stored_format = self._format()
        # Elsewhere than in a folder, to ask again takes a read of its own.
        self._current = "://" in self.uri and stored_format is not None and stored_format >= FORMAT_3
        if stored_format is not None and stored_format < FORMAT_3:
            return True
        if (view := self.__dict__.pop("_view", None)) is not None:
            view.close()
        return False

    def _read_with(self, name: str, read: Callable[[Any], T]) -> T:
        """What is read through the LanceDB connection that has a table."""
        if self._is_older(name):
            try:
                rows = read(self._view.with_table(name))
                if self._is_older(name):
                    return rows
            except (OSError, RuntimeError, ValueError):
                if self._is_older(name):
                    raise
            # A migration ended in between, so the old table may have been gone.
        return read(self._db)

    def table_names(self) -> list[str]:
        """All tables of the store, ours and others."""
        if not self._present:
            return []
        if self._is_older():
            names = self._view.names()
            if self._is_older():
                return names
        return list_tables(self._db)

    def open(self, name: str) -> Any | None:
        """A LanceDB table at its latest version, or None where there is none.

        Raises:
            StoreError: the table is there and cannot be opened.
        """
        if not self._present:
            return None
        try:
            return self._read_with(name, lambda db: db.open_table(name))
        except (OSError, ValueError, RuntimeError) as error:
            if is_missing(error):
                return None
            raise as_store_error(f"table {name} of the store {self.uri} cannot be opened", error) from error

    def read(
        self,
        name: str,
        *,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table | None:
        """The rows of a table that match, at its latest version unless one is given; None where that is not there.

        Raises:
            StoreError: the table is there and cannot be read.
        """
        if not self._present:
            return None
        try:
            return self._read_with(name, lambda db: read_rows(db, name, where=where, columns=columns, version=version))
        except (OSError, ValueError, RuntimeError) as error:
            raise as_store_error(f"table {name} of the store {self.uri} cannot be read", error) from error

    def read_small(self, name: str, where: str | None = None) -> pa.Table | None:
        """The rows of a table's latest version that match, from memory where nobody wrote to the table since.

        Raises:
            StoreError: the table is there and cannot be read.
        """
        if self._present and self._is_older(name):
            return self.read(name, where=where)
        return self._memory.get_or_read(name, where, lambda: self.read(name, where=where))

    def has_data(self, name: str) -> bool:
        """Whether a table's folder holds data files; False where the store is no local folder."""
        return "://" not in self.uri and any((self._folder_of(name) / "data").glob("*"))

    def create(self, name: str, schema: pa.Schema, *, primary_key: str | None = None) -> Any:
        """An empty LanceDB table, or the one that is there already."""
        with self._lock:
            # An older store in the place of the one that was marked is read through a view, which keeps no writes.
            if not self._marked or self._is_older():
                self._mark_format()
            table = self.open(name)
            if table is not None and set(schema.names) <= set(table.schema.names):
                return table
            # Once more: the store was removed, or an older one was put into its place.
            self._mark_format()
            if (table := self.open(name)) is not None:
                return table
            problem: Exception | None = None
            try:
                make_table(self._db, self.uri, name, mark_key(schema, primary_key) if primary_key else schema)
            except (OSError, RuntimeError, ValueError) as error:
                problem = error
            # Another process may have made it a moment ago.
            table = self.open(name)
            if table is None:
                what = f"table {name} cannot be made in the store {self.uri}"
                raise as_store_error(what, problem) if problem else StoreError(f"{what}: it was removed at once")
            return table

    def overwrite(self, name: str, data: pa.Table, *, primary_key: str) -> None:
        """Replace a table's rows and schema in one commit; earlier versions stay readable."""
        with self._lock:
            self._mark_format()
            try:
                rows = dense(data.cast(mark_key(data.schema, primary_key)))
                create_table(self._db, name, data=rows, mode="overwrite")
            except (OSError, RuntimeError, ValueError) as error:
                raise as_store_error(f"table {name} of the store {self.uri} cannot be written", error) from error

    def drop(self, name: str) -> None:
        """Remove a table with all its versions, whole or half removed; nothing where there is none."""
        self.prepare_write()
        try:
            self._db.drop_table(name)
        except (OSError, RuntimeError, ValueError) as error:
            if not is_missing(error):
                raise as_store_error(f"table {name} of the store {self.uri} cannot be removed", error) from error

    def bytes(self, name: str) -> int:
        """The bytes of a table's files; on an object store those of the latest version's data."""
        if "://" in self.uri:
            table = self.open(name)
            return 0 if table is None else int(table.stats()["total_bytes"])
        return sum(stat.st_size for stat in self._stats(name))

    def last_written(self, name: str) -> datetime | None:
        """When a file of a table was last written; None on an object store."""
        times = [stat.st_mtime for stat in self._stats(name)]
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def _stats(self, name: str) -> Iterator[os.stat_result]:
        for path in self._folder_of(name).rglob("*") if "://" not in self.uri else ():
            with suppress(OSError):  # a clean-up beside this one
                if path.is_file():
                    yield path.stat()

    def _folder_of(self, name: str) -> Path:
        stored_name = old_name(name) if self._is_older(name) else name
        return Path(self.uri, f"{stored_name}.lance")

    def _mark_format(self) -> None:
        stored_format = self._format()
        if stored_format is not None:
            migrate_to_3(self._db, lambda: Claims(_AsItIs(self.uri)))
        else:
            meta = pa.table({"key": ["format"], "value": [str(FORMAT)]}, schema=_META_SCHEMA)
            try:
                create_table(self._db, "meta", data=meta)
            except (ValueError, RuntimeError, OSError) as error:
                if self._format() is None:
                    raise as_store_error(f"the store {self.uri} cannot be written", error) from error
        self._marked = True


class _AsItIs(LanceDatabase):
    """A store whose format is left as it is: what keeps its migration to one process."""

    def _mark_format(self) -> None:
        self._marked = True


def _parse_format(rows: pa.Table | None) -> int | None:
    return int(rows["value"][0].as_py()) if rows is not None and rows.num_rows else None
