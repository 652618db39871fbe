"""The rows of a CSV, JSON Lines or Parquet file, each with the place where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from embeddings_orch.errors import ItemError, SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.decoding.pictures import decode_text
from embeddings_orch.media.sources.files import reason

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass
class Records:
    """The rows that could be read.

    Attributes:
        name: the file, for messages.
        untyped: the values are cells of a CSV, whose types are still to be told.
        columns: values by column; an Arrow column where the file has types of its own.
        numbers: of each row, counted from 1 without the header.
        lines: of each row, counted from 1; empty for Parquet.
        problems: rows that could not be read.
    """

    name: str
    untyped: bool = False
    columns: dict[str, Sequence[Any] | pa.ChunkedArray] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def values(self, column: str) -> list[Any]:
        """A column as Python values, an empty CSV cell as None; all None where there is no such."""
        values = self.columns.get(column)
        if values is None:
            return [None] * len(self.numbers)
        if isinstance(values, pa.ChunkedArray):
            return list(values.to_pylist())
        return [value or None for value in values] if self.untyped else list(values)

    def where(self, row: int) -> str:
        """Where a row stands, for messages."""
        return place(self.name, self.numbers[row], self.lines[row] if self.lines else None)


def place(name: str, row: int, line: int | None) -> str:
    """A row of a file, for messages."""
    return f"{name}, row {row}" if line is None else f"{name}, row {row} (line {line})"


def read_records(path: Path, file_format: Format, name: str | None = None) -> Records:
    """Read a whole file.

    Raises:
        SourceError: it cannot be read as what it is said to be.
    """
    records = Records(name or str(path))
    try:
        if file_format == "parquet":
            _read_parquet(path, records)
        elif file_format == "csv":
            _read_csv(path, records)
        else:
            _read_jsonl(path, records)
    except OSError as error:
        raise SourceError(f"{records.name} cannot be read: {reason(error)}") from error
    return records


def _read_csv(path: Path, records: Records) -> None:
    try:
        text = decode_text(path.read_bytes())
    except ItemError as error:
        raise SourceError(f"{records.name}: {error}") from error
    records.untyped = True
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    line = number = 0
    header: list[str] | None = None
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            if not row:
                continue
            if header is None:
                header = _header(row, records.name)
                continue
            number += 1
            if len(row) != len(header):
                fields = f"{len(row)} fields where the header has {len(header)}"
                where = place(records.name, number, start)
                records.problems.append(Problem(where, f"{fields}; quote a value that has a comma", hides=""))
                continue
            rows.append(row)
            records.numbers.append(number)
            records.lines.append(start)
    except csv.Error as error:
        raise SourceError(f"{records.name}, line {line + 1}: not a CSV file ({error})") from error
    if header is None:
        raise SourceError(f"{records.name} is empty: it needs a line of column names")
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    records.columns = dict(zip(header, columns, strict=True))


def _header(names: list[str], name: str) -> list[str]:
    if len(set(names)) != len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise SourceError(f"{name}: two columns are named {twice!r}")
    return names


def _read_jsonl(path: Path, records: Records) -> None:
    rows: list[dict[str, Any]] = []
    number = 0
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            number += 1
            try:
                rows.append(_object(data))
            except (ValueError, RecursionError, ItemError) as error:
                records.problems.append(Problem(place(records.name, number, line), f"not JSON: {error}", hides=""))
                continue
            records.numbers.append(number)
            records.lines.append(line)
    names = dict.fromkeys(name for row in rows for name in row)
    records.columns = {name: [row.get(name) for row in rows] for name in names}


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(decode_text(data))
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object is due")  # noqa: TRY004
    if b"\\u" in data:
        # Half a surrogate pair can be written in JSON and can be stored nowhere.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read_parquet(path: Path, records: Records) -> None:
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
    except (pa.ArrowException, ValueError) as error:
        raise SourceError(f"{records.name}: not a Parquet file that can be read ({error})") from error
    _header(table.column_names, records.name)
    records.columns = {name: table[name] for name in table.column_names}
    records.numbers = list(range(1, table.num_rows + 1))
