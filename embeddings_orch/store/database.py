"""The store: one LanceDB database at a folder or an object store's URI."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from embeddings_orch.errors import StoreError
from embeddings_orch.store.base import is_missing, short
from embeddings_orch.store.creating import make_table
from embeddings_orch.store.memory import RowMemory
from embeddings_orch.store.migrations import migrate
from embeddings_orch.store.names import TableName
from embeddings_orch.store.reading import read_rows
from embeddings_orch.store.tables.catalog import CatalogTable
from embeddings_orch.store.tables.failures import FailuresTable
from embeddings_orch.store.tables.generations import GenerationsTable
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.maps import MapsTable
from embeddings_orch.store.tables.publications import PublicationsTable
from embeddings_orch.store.tables.published import PointersTable
from embeddings_orch.store.tables.states import StatesTable
from embeddings_orch.store.tables.vectors import VectorsTable

FORMAT = 2
"""Version of the tables' layout. An older store is read as it is and migrated by the first write; a newer one refused.
"""

_META_SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())])

_FORMAT_ROW = "key = 'format'"

_PRIMARY_KEY = "lance-schema:unenforced-primary-key:position"


class Store:
    """Opens the tables of a store; makes none before something is written.

    Args:
        uri: a folder, or ``s3://bucket/prefix`` (credentials come from the environment).

    Raises:
        StoreError: the place cannot be used, or a newer version of this package wrote it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._marked = False
        self._memory = RowMemory(uri)

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return type(self), (self.uri,)

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
            raise StoreError(f"the store {self.uri} cannot be used: {short(error)}") from error
        if stored_format is not None and stored_format > FORMAT:
            raise StoreError(
                f"the store {self.uri} has format {stored_format}, this version reads up to {FORMAT}: "
                "upgrade embeddings-orch, or use another store"
            )
        return db

    def _format(self) -> int | None:
        return _parse_format(self.read_small("meta", _FORMAT_ROW))

    def table_names(self) -> list[str]:
        """All tables of the store, ours and others."""
        names: list[str] = []
        while self._present:
            page = self._db.list_tables(page_token=names[-1] if names else None, limit=1000)
            names += [str(name) for name in page.tables]
            if not page.page_token:
                break
        return names

    def open(self, name: str) -> Any | None:
        """A LanceDB table at its latest version, or None where there is none.

        Raises:
            StoreError: the table is there and cannot be opened.
        """
        if not self._present:
            return None
        try:
            return self._db.open_table(name)
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            if is_missing(error):
                return None
            raise StoreError(f"table {name} of the store {self.uri} cannot be opened: {short(error)}") from error

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
            return read_rows(self._db, name, where=where, columns=columns, version=version)
        except (OSError, ValueError, RuntimeError) as error:
            raise StoreError(f"table {name} of the store {self.uri} cannot be read: {short(error)}") from error

    def read_small(self, name: str, where: str | None = None) -> pa.Table | None:
        """The rows of a table's latest version that match, from memory where nobody wrote to the table since.

        Raises:
            StoreError: the table is there and cannot be read.
        """
        return self._memory.get_or_read(name, where, lambda: self.read(name, where=where))

    def has_data(self, name: str) -> bool:
        """Whether a table's folder holds data files; False where the store is no local folder."""
        return "://" not in self.uri and any(Path(self.uri, f"{name}.lance", "data").glob("*"))

    def create(self, name: str, schema: pa.Schema, *, primary_key: str | None = None) -> Any:
        """An empty LanceDB table, or the one that is there already."""
        with self._lock:
            if not self._marked:
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
                make_table(self._db, self.uri, name, _mark_key(schema, primary_key) if primary_key else schema)
            except (OSError, RuntimeError, ValueError) as error:
                problem = error
            # Another process may have made it a moment ago.
            table = self.open(name)
            if table is None:
                why = short(problem) if problem else "it was removed at once"
                raise StoreError(f"table {name} cannot be made in the store {self.uri}: {why}") from problem
            return table

    def overwrite(self, name: str, data: pa.Table, *, primary_key: str) -> None:
        """Replace a table's rows and schema in one commit; earlier versions stay readable."""
        with self._lock:
            self._mark_format()
            try:
                self._db.create_table(name, data.cast(_mark_key(data.schema, primary_key)), mode="overwrite")
            except (OSError, RuntimeError, ValueError) as error:
                raise StoreError(f"table {name} of the store {self.uri} cannot be written: {short(error)}") from error

    def drop(self, name: str) -> None:
        """Remove a table with all its versions, whole or half removed; nothing where there is none."""
        try:
            self._db.drop_table(name)
        except (OSError, RuntimeError, ValueError) as error:
            if not is_missing(error):
                raise StoreError(f"table {name} of the store {self.uri} cannot be removed: {short(error)}") from error

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
        for path in Path(self.uri, f"{name}.lance").rglob("*") if "://" not in self.uri else ():
            with suppress(OSError):  # a clean-up beside this one
                if path.is_file():
                    yield path.stat()

    def _mark_format(self) -> None:
        stored_format = self._format()
        if stored_format is not None and stored_format < FORMAT:
            migrate(self._db, stored_format, FORMAT)
        if stored_format is None:
            meta = pa.table({"key": ["format"], "value": [str(FORMAT)]}, schema=_META_SCHEMA)
            try:
                self._db.create_table("meta", meta)
            except (ValueError, RuntimeError, OSError) as error:
                if self._format() is None:
                    raise StoreError(f"the store {self.uri} cannot be written: {short(error)}") from error
        self._marked = True

    def catalog(self, pipeline: str) -> CatalogTable:
        """The catalog of a pipeline's media."""
        return CatalogTable(self, TableName.of_catalog(pipeline))

    def vectors(self, fingerprint: str) -> VectorsTable:
        """The vectors of one model, shared by all pipelines of the store."""
        return VectorsTable(self, TableName.of_vectors(fingerprint))

    def index(self, table: str) -> IndexTable:
        """One index table, by the name its generation says."""
        return IndexTable(self, table)

    @cached_property
    def failures(self) -> FailuresTable:
        """Contents that a model could not embed."""
        return FailuresTable(self)

    @cached_property
    def states(self) -> StatesTable:
        """What each embedding asset covered when it was last materialized."""
        return StatesTable(self)

    @cached_property
    def generations(self) -> GenerationsTable:
        """All built index generations."""
        return GenerationsTable(self)

    @cached_property
    def maps(self) -> MapsTable:
        """The maps of the generations' vectors."""
        return MapsTable(self)

    @cached_property
    def publications(self) -> PublicationsTable:
        """When search was pointed at which generation."""
        return PublicationsTable(self)

    @cached_property
    def published(self) -> PointersTable:
        """Which generation search follows."""
        return PointersTable(self)


def _parse_format(rows: pa.Table | None) -> int | None:
    return int(rows["value"][0].as_py()) if rows is not None and rows.num_rows else None


def _mark_key(schema: pa.Schema, primary_key: str) -> pa.Schema:
    """The schema with Lance's mark of a primary key, by which it sees that two writers insert the same row.

    Part of the schema that a table is made with: ``set_unenforced_primary_key`` is a commit of its own, and what
    others write before it goes unchecked.
    """
    position = schema.get_field_index(primary_key)
    return schema.set(position, schema.field(position).with_metadata({_PRIMARY_KEY: "1"}))
