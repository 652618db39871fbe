"""The rows of a table as they were read, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.choice import FileColumns
from embeddings_orch.media.catalog.typed import keep_column
from embeddings_orch.models.rows.cells import cell_text, cell_texts
from embeddings_orch.models.rows.kinds import is_bytes


@dataclass(frozen=True)
class CellTexts:
    """The texts of a column.

    Attributes:
        wrong: of rows whose value has no text, why.
    """

    texts: Sequence[str | None]
    wrong: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Records:
    """The rows that could be read.

    Attributes:
        name: the file, for messages.
        untyped: the values are cells of a CSV, whose types are still to be told.
        columns: values by column; an Arrow column where the file has types of its own.
        twice: of a column that the header did not name so, the name that it has twice.
        numbers: of each row, counted from 1 without the header.
        lines: of each row, counted from 1; empty for Parquet.
        problems: rows that could not be read.
        cut: the file ends within its last row, so that there may have been more.
        hint: what is told besides, where no row can be read.
    """

    name: str
    untyped: bool = False
    columns: dict[str, Sequence[Any] | pa.ChunkedArray] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    cut: bool = False
    hint: str = ""

    def check_rows(self) -> None:
        """Refuse a file that has rows of which none can be read: it is not what it was taken for.

        Raises:
            SourceError: with the first of them.
        """
        if self.numbers or not self.problems:
            return
        first, count = self.problems[0], len(self.problems)
        which = "its one row cannot be read" if count == 1 else f"none of its {count:,} rows can be read"
        where = first.where.removeprefix(f"{self.name}, ")
        raise SourceError(f"{self.name}: {which}: {where}: {first.reason}{self.hint}")

    def values(self, column: str) -> Sequence[Any] | pa.ChunkedArray:
        """A column, an empty CSV cell as None; all None where there is no such."""
        values = self.columns.get(column)
        if values is None:
            return [None] * len(self.numbers)
        return [value or None for value in values] if self.untyped else values

    def texts(self, column: str) -> CellTexts:
        """A column as texts, an empty one as None."""
        values = self.values(column)
        if self.untyped:
            return CellTexts(list(values))
        if not isinstance(values, pa.ChunkedArray):
            return CellTexts([cell_text(value) or None for value in values])
        kept = keep_column(column, values)
        if kept.values is None:
            return CellTexts([None] * len(self.numbers), dict.fromkeys(range(len(self.numbers)), kept.reason))
        wrong = dict.fromkeys(kept.misfits, kept.why_null(column))
        texts = cell_texts(kept.values)
        if is_bytes(kept.values.type):
            unreadable = pc.and_(pc.is_null(texts), pc.is_valid(kept.values))
            rows = pc.indices_nonzero(unreadable).to_pylist()
            wrong |= dict.fromkeys(rows, f"its {column!r} holds bytes that are no text in UTF-8")
        return CellTexts([text or None for text in texts.to_pylist()], wrong)

    def names(self, roles: Collection[str]) -> FileColumns:
        """The names of the columns, of which some are no user's."""
        return FileColumns({name: place for place, name in enumerate(self.columns, 1)}, self.twice, roles)

    def where(self, row: int) -> str:
        """Where a row stands, for messages."""
        return place(self.name, self.numbers[row], self.lines[row] if self.lines else None)


def place(name: str, row: int, line: int | None) -> str:
    """A row of a file, for messages."""
    return f"{name}, row {row}" if line is None else f"{name}, row {row} (line {line})"
