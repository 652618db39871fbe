"""The source ``table``: a local CSV, JSON Lines or Parquet file that lists media by path, or holds texts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from cachetools import LRUCache
from pydantic import Field

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import Listing, Problem, Scan, Source
from embeddings_orch.media.catalog.choice import ColumnsConfig, check_choice, name_columns
from embeddings_orch.media.catalog.columns import Cells, ColumnType, catalog_table, check_pinned, make_column
from embeddings_orch.media.catalog.typed import keep_column
from embeddings_orch.media.decoding.kinds import KINDS, kind_of
from embeddings_orch.media.sources.files import Facts, FileFacts, LocalPath, reason, settled_stat_of, stat_of
from embeddings_orch.media.sources.reading import FORMATS, format_of, read_records
from embeddings_orch.media.sources.records import Records
from embeddings_orch.media.sources.rows import Roles, RowItem, TableRows, list_rows
from embeddings_orch.media.sources.signs import Format
from embeddings_orch.models.content import content_hash
from embeddings_orch.plugins import suggestion


class TableConfig(ColumnsConfig):
    """Settings of the source ``table``.

    Example:
        >>> TableConfig(path="products.csv", id="sku", text="description").format is None
        True
    """

    source: ClassVar[str] = "table"

    path: LocalPath = Field(
        description="The table: .csv, .tsv, .json, .jsonl, .ndjson or .parquet; all but the last also as .gz."
    )
    format: Format | None = Field(None, description="What the file is, else told from its extension.")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="What separates the fields of a CSV, else told from its header."
    )
    id: str = Field("id", description="The column with the items' ids.")
    uri: str = Field("uri", description="The column with the media's paths, absolute or relative to the table.")
    text: str = Field("text", description="The column with texts; the items themselves where there is no path.")
    caption: str = Field("caption", description="The column with captions.")
    types: dict[str, ColumnType] = Field(
        {}, description="Types of columns of a CSV or JSON Lines file, else told from their values."
    )


_LOCK = threading.Lock()
_NAMED: LRUCache[tuple[str, str], tuple[str, Mapping[str, str]]] = LRUCache(16)
"""Of the tables that were listed last: the stat of the file, and the paths that it names."""


class TableSource(Source[TableConfig]):
    """Lists the rows of a table; the other columns ride along."""

    config_class = TableConfig

    def __init__(self, config: TableConfig, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(config)
        self._now = now
        self._path = Path(os.path.abspath(config.path))

    def scan(self, previous: pa.Table | None, progress: Callable[[int], None] = lambda _: None) -> Scan:
        """List all rows that have an id, and a path or a text.

        Raises:
            SourceError: the table cannot be read, or lacks what the settings name.
        """
        started = self._now()
        records = self._records()
        listing = self._list_rows(records)
        files = [item.file for item in listing.items if item.file is not None]
        facts_of_files = iter(FileFacts(previous, started, self.config.max_bytes.text).look(files, progress))
        items = []
        for item in listing.items:
            facts = next(facts_of_files) if item.file else _text_facts(item.text or "")
            if isinstance(facts, OSError):
                uri = item.file.path if item.file else ""
                missing = isinstance(facts, FileNotFoundError)
                why = f"there is no file {uri}" if missing else f"{uri} cannot be read: {reason(facts)}"
                listing.problems.append(Problem(records.where(item.row), why, None if missing else item.id))
            else:
                items.append((item, facts))
        user_columns = self._user_columns(records, [item.row for item, _ in items], listing.problems)
        return Scan(self._table(items, user_columns), records.problems + listing.problems)

    @property
    def _roles(self) -> frozenset[str]:
        return frozenset({self.config.id, self.config.uri, self.config.text, self.config.caption})

    @property
    def root(self) -> str:
        """The folder that the table is in."""
        return str(self._path.parent)

    def list_items(self) -> Listing:
        """The table's file and the files it names, by size, times and inode.

        A process reads the table anew only where its file has changed.

        Raises:
            SourceError: the table cannot be read.
        """
        # Before the table is read: what is written in between is seen the next time.
        stat = stat_of(str(self._path))
        files = {key: stat_of(path) for key, path in self._files_named().items()}
        return Listing(files, {self._path.name: stat})

    def _files_named(self) -> Mapping[str, str]:
        """The paths of the files that the table names, by item."""
        key = (str(self._path), self.config.model_dump_json())
        stat = settled_stat_of(str(self._path), self._now())
        with _LOCK:
            known = _NAMED.get(key)
        if stat and known is not None and known[0] == stat:
            return known[1]
        items = self._list_rows(self._records()).items
        files = {item.id: item.file.path for item in items if item.file is not None}
        with _LOCK:
            _NAMED[key] = (stat, files)
        return files

    def read(self, uri: str) -> bytes:
        """The bytes of a file that the table names.

        Raises:
            OSError: it cannot be read.
        """
        return Path(uri).read_bytes()

    def _records(self) -> Records:
        config = self.config
        if not self._path.exists():
            hint = "a relative path is relative to the YAML file"
            raise SourceError(f"the media table {self._path} does not exist ({hint})")
        if self._path.is_dir():
            raise SourceError(f"{self._path} is a folder, not a table; for its media use `source: folder`")
        file_format = config.format or format_of(self._path)
        if file_format is None:
            known = ", ".join(FORMATS)
            raise SourceError(f"{self._path}: its extension tells no format ({known}); set `format`")
        records = read_records(self._path, file_format, delimiter=config.delimiter)
        if not records.columns and not records.numbers:
            # JSON Lines without a line, where columns cannot be told.
            records.check_rows()
            return records
        check_choice(config.columns, records.columns, str(self._path))
        check_pinned(config.types, records.columns, str(self._path))
        names = [name for name in records.columns if name not in config.columns.exclude]
        needed = {"id": config.id}
        # A column that the settings name must be there; of the usual names any may be missing.
        needed |= {key: getattr(config, key) for key in ("uri", "text", "caption") if key in config.model_fields_set}
        for key, name in needed.items():
            if name not in names:
                hint = suggestion(name, names)
                raise SourceError(f"{self._path} has no column {name!r} (the setting `{key}`){hint}")
        if config.uri not in names and config.text not in names:
            both = f"{config.uri!r} nor {config.text!r}"
            raise SourceError(f"{self._path} has neither a column {both}{suggestion(config.uri, names)}")
        records.check_rows()
        return records

    def _list_rows(self, records: Records) -> TableRows:
        config = self.config
        roles = Roles(config.id, config.uri, config.text, config.caption, config.columns.exclude)
        return list_rows(records, roles, self._path.parent)

    def _user_columns(self, records: Records, rows: Sequence[int], problems: list[Problem]) -> dict[str, Any]:
        names = name_columns(records.names(self._roles), self.config.columns, records.name)
        problems += [names.problem(name, records.name) for name in names.reasons]
        user_columns: dict[str, Any] = {}
        for name, new in names.names.items():
            values = records.values(name)
            if isinstance(values, pa.ChunkedArray):
                kept = keep_column(name, values).take(rows)
                column, misfits, why = kept.values, kept.misfits, kept.why_null(name)
                problems += kept.problems(records.name)
            else:
                cells = Cells(range(len(rows)), [values[row] for row in rows], records.untyped)
                pinned = self.config.types.get(name)
                column, misfits = make_column([cells], len(rows), pinned=pinned)
                why = f"its {name!r} is not of type {pinned}"
            problems += [Problem(records.where(rows[position]), why) for position in misfits]
            if column is not None:
                user_columns[new] = column
        return user_columns

    def _table(self, looked_at: Sequence[tuple[RowItem, Facts]], user_columns: dict[str, Any]) -> pa.Table:
        items, facts = [item for item, _ in looked_at], [fact for _, fact in looked_at]
        kinds = [kind_of(item.file.path) if item.file else KINDS[".txt"] for item in items]
        columns = {
            "id": [item.id for item in items],
            "uri": [item.file.path if item.file else f"{self._path}#{item.id}" for item in items],
            "content_hash": [fact.content_hash for fact in facts],
            "modality": [item.file.modality if item.file else "text" for item in items],
            "mime": [kind.mime if kind else None for kind in kinds],
            "size": [fact.size for fact in facts],
            "width": [fact.width for fact in facts],
            "height": [fact.height for fact in facts],
            "caption": [item.caption for item in items],
            # The text of a text file is its own.
            "text": [
                fact.text if item.file and item.file.modality == "text" else item.text
                for item, fact in zip(items, facts, strict=True)
            ],
        }
        return catalog_table(columns, user_columns, [fact.stat for fact in facts])


def _text_facts(text: str) -> Facts:
    return Facts(content_hash(text), len(text.encode()), None, None, text, "")
