"""What the tables of the store share: opening, row reading, SQL literals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeVar, cast

import pyarrow as pa

from embeddings_orch.errors import DiskFullError, StoreError
from embeddings_orch.store.boxes import dense
from embeddings_orch.store.room import is_full

F = TypeVar("F", bound=Callable[..., Any])

MERGED_COLUMNS = 2_000
"""Columns up to which rows are merged: LanceDB takes half a second to merge 2,000, and ten for 10,000."""

_LONGEST = 300
_WORD = re.compile(r"\S++")
_POSITION = re.compile(r".\.rs:\d++:\d")
_NOT_FOUND = re.compile(r"not found|does not exist", re.IGNORECASE)


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn LanceDB's errors into ours, with the first line of their message."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise as_store_error(f"{what} cannot be read or written", error) from error


def as_store_error(what: str, error: Exception) -> StoreError:
    """LanceDB's error as one of ours; that the disk is full is one of its own.

    Args:
        what: which thing cannot be done.
        error: why.
    """
    if is_full(error):
        return DiskFullError(f"{what}: the disk is full ({short(error)}); make room and run again")
    return StoreError(f"{what}: {short(error)}")


def guard(method: F) -> F:
    """A method of a table whose errors become `StoreError` with the table's name."""

    @wraps(method)
    def wrapper(self: TableOf, *args: Any, **options: Any) -> Any:
        with store_errors(f"table {self.name} of the store"):
            return method(self, *args, **options)

    return cast(F, wrapper)


def short(error: Exception) -> str:
    """The first line of a message, without the position in LanceDB's own source."""
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0]
    for word in _WORD.finditer(line):
        start = word.start()
        if "rustc" in word[0] or (line[max(start - 2, 0) : start] == ", " and _POSITION.search(word[0])):
            return line[:start].rstrip(" ").removesuffix(",")[:_LONGEST]
    return line[:_LONGEST]


def is_missing(error: Exception) -> bool:
    """Whether an error of LanceDB says that a table is not there."""
    return _NOT_FOUND.search(str(error)) is not None


class Database(Protocol):
    """The part of the store that its tables use."""

    def open(self, name: str) -> Any | None:
        """A table at its latest version, or None."""

    def read(
        self,
        name: str,
        *,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table | None:
        """The rows of a table that match, at its latest version unless one is given, or None."""

    def read_small(self, name: str, where: str | None = None) -> pa.Table | None:
        """The rows of a table's latest version that match, or None; from memory, where they are still the same."""

    def has_data(self, name: str) -> bool:
        """Whether a table's folder holds data files, where that can be told."""

    def prepare_write(self) -> None:
        """Bring a store of an older format to the present one: before what is read is changed."""

    def create(self, name: str, schema: pa.Schema, *, primary_key: str | None = None) -> Any:
        """An empty table, or the one that is there."""

    def overwrite(self, name: str, data: pa.Table, *, primary_key: str) -> None:
        """Replace a table in one commit."""

    def drop(self, name: str) -> None:
        """Remove a table with all its versions; nothing where there is none."""

    def bytes(self, name: str) -> int:
        """The bytes that a table takes."""

    def last_written(self, name: str) -> datetime | None:
        """When a table whose versions cannot be read was last written, where that can be told."""


class TableOf:
    """A named table, of which every read is of the latest version, so that other processes' writes are seen.

    Attributes:
        remembered: whether rows that were read stay in memory until somebody writes to the table.
    """

    remembered: ClassVar[bool] = False

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name

    def at(self, version: int | None = None) -> Any | None:
        """The LanceDB table, checked out at a version where one is given; None where there is none."""
        table = self.database.open(self.name)
        if table is not None and version is not None:
            try:
                table.checkout(version)
            except (ValueError, RuntimeError, OSError):
                return None
        return table

    @guard
    def rows(self, where: str | None = None) -> list[dict[str, Any]]:
        """All rows that match, as plain Python values; only for small tables."""
        table = (self.database.read_small if self.remembered else self.database.read)(self.name, where=where)
        rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
        return rows

    @guard
    def history(self) -> list[Version]:
        """The versions that are there, oldest first."""
        table = self.at()
        versions = [] if table is None else table.list_versions()
        # LanceDB gives local time without saying so.
        return [Version(version["version"], version["timestamp"].astimezone(UTC)) for version in versions]

    def last_written(self) -> datetime | None:
        """When the latest version was written; None where that cannot be told."""
        history = self.history()
        return history[-1].at if history else self.database.last_written(self.name)

    @property
    def bytes(self) -> int:
        """The bytes that all versions take: in a folder; on an object store, the data of the latest version."""
        return self.database.bytes(self.name)

    @guard
    def total(self) -> int:
        """All rows of the latest version."""
        table = self.at()
        return 0 if table is None else int(table.count_rows())

    @guard
    def delete_rows(self, where: str) -> int:
        """Delete the rows that match, if there are any; returns how many."""
        self.database.prepare_write()
        table = self.at()
        count = 0 if table is None else int(table.count_rows(where))
        if count and table is not None:
            table.delete(where)
        return count

    def drop(self) -> None:
        """Remove the table with all its versions; nothing where there is none."""
        self.database.drop(self.name)


@dataclass(frozen=True)
class Version:
    """One version of a table and when it was committed."""

    number: int
    at: datetime


def text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def binary(value: bytes) -> str:
    """Bytes as an SQL literal."""
    return f"X'{value.hex()}'"


def in_list(column: str, values: Iterable[str | bytes]) -> str:
    """``column IN (...)`` for SQL."""
    return f"{column} IN ({', '.join(text(value) if isinstance(value, str) else binary(value) for value in values)})"


def merge(table: Any, rows: pa.Table, deleted: Iterable[str], key: str = "id") -> None:
    """Upsert rows and delete others by key, in one commit."""
    deleted = list(deleted)
    builder = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
    if deleted:
        builder = builder.when_not_matched_by_source_delete(in_list(key, deleted))
    # Rows without a vector are meant; LanceDB refuses them otherwise.
    builder.execute(dense(rows), on_bad_vectors="null")
