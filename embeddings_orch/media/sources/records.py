"""The rows of a CSV, JSON, JSON Lines or Parquet file, each with the place where it stands."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embeddings_orch.errors import ItemError, SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.choice import FileColumns
from embeddings_orch.media.catalog.names import distinct_names
from embeddings_orch.media.catalog.typed import is_bytes, keep_column
from embeddings_orch.media.decoding.pictures import decode_text
from embeddings_orch.media.sources.files import reason
from embeddings_orch.models.rows.cells import cell_text, cell_texts

Format = Literal["csv", "json", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}

GZIP = ".gz"
DELIMITERS = ",;\t|"
"""What may stand between the fields of a CSV, where it is not told; of several, what makes most names of the header."""

_LONGEST_FIELD, _LONGEST_HEADER = 2**31 - 1, 1_000_000


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
    """

    name: str
    untyped: bool = False
    columns: dict[str, Sequence[Any] | pa.ChunkedArray] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    cut: bool = False

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


def format_of(path: Path) -> Format | None:
    """What a file is by its extension, that of a compressed one too; None where that tells nothing."""
    plain = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return FORMATS.get(plain.suffix.lower())


def read_records(path: Path, file_format: Format, name: str | None = None, *, delimiter: str | None = None) -> Records:
    """Read a whole file, unpacked where its name ends with ``.gz``.

    Args:
        path: the file.
        file_format: what it is.
        name: what to call it in messages.
        delimiter: what stands between the fields of a CSV; told from its header where it is not given.

    Raises:
        SourceError: it cannot be read as what it is said to be.
    """
    records = Records(name or str(path))
    try:
        if file_format == "parquet":
            _read_parquet(path, records)
            return records
        data = path.read_bytes()
        if path.suffix.lower() == GZIP:
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{records.name}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise SourceError(f"{records.name} cannot be read: {reason(error)}") from error
    match file_format:
        case "csv":
            _read_csv(data, records, delimiter)
        case "json" if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            _read_array(data, records)
        case _:
            _read_jsonl(data, records)
    return records


def _read_csv(data: bytes, records: Records, delimiter: str | None) -> None:
    try:
        text = decode_text(data)
    except ItemError as error:
        raise SourceError(f"{records.name}: {error}") from error
    records.untyped = True
    csv.field_size_limit(_LONGEST_FIELD)  # of the process; a text of some pages passes the usual 131,072 characters
    delimiter = delimiter or _delimiter(text)
    reader = csv.reader(StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[list[str]] = []
    line = number = 0
    ragged = False
    header: list[str] | None = None
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            if not row:
                continue
            if header is None:
                header, records.twice = distinct_names(row)
                continue
            number += 1
            if ragged := len(row) != len(header):
                fields = f"{len(row)} field{'' if len(row) == 1 else 's'} where the header has {len(header)}"
                where = place(records.name, number, start)
                separator = "a comma" if delimiter == "," else repr(delimiter)
                records.problems.append(Problem(where, f"{fields}; quote a value that has {separator}", hides=""))
                continue
            rows.append(row)
            records.numbers.append(number)
            records.lines.append(start)
        records.cut = ragged and not text.endswith(("\n", "\r"))
    except csv.Error as error:
        raise SourceError(f"{records.name}, line {line + 1}: not a CSV file ({error})") from error
    if header is None:
        raise SourceError(f"{records.name} is empty: it needs a line of column names")
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    records.columns = dict(zip(header, columns, strict=True))


def _delimiter(text: str) -> str:
    start = text[:_LONGEST_HEADER].lstrip("\r\n")

    def fit(delimiter: str) -> tuple[int, int]:
        # Not the characters of the line: a name in quotes may have any, and a quote left over was cut through.
        names = next(csv.reader(StringIO(start, newline=""), delimiter=delimiter), [])
        return -sum(name.count('"') for name in names), len(names)

    return max(DELIMITERS, key=fit)  # of equal ones the first: the comma


def _read_jsonl(data: bytes, records: Records) -> None:
    rows: list[dict[str, Any]] = []
    number = 0
    for line, text in enumerate(BytesIO(data), 1):
        if not text.strip():
            continue
        number += 1
        try:
            rows.append(_object(text))
        except (ValueError, RecursionError, ItemError) as error:
            records.problems.append(Problem(place(records.name, number, line), f"not JSON: {error}", hides=""))
            records.cut = not text.endswith(b"\n")
            continue
        records.numbers.append(number)
        records.lines.append(line)
    _set_columns(rows, records)


def _read_array(data: bytes, records: Records) -> None:
    try:
        items = json.loads(decode_text(data))
    except (ValueError, RecursionError, ItemError) as error:
        raise SourceError(f"{records.name}: not JSON: {error}") from error
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(items, 1):
        try:
            rows.append(_sound(item, escapes=True))
        except ValueError as error:
            records.problems.append(Problem(place(records.name, number, None), f"not usable: {error}", hides=""))
            continue
        records.numbers.append(number)
    _set_columns(rows, records)


def _set_columns(rows: list[dict[str, Any]], records: Records) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    records.columns = {name: [row.get(name) for row in rows] for name in names}


def _object(data: bytes) -> dict[str, Any]:
    return _sound(json.loads(decode_text(data)), escapes=b"\\u" in data)


def _sound(value: Any, *, escapes: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object is due")  # noqa: TRY004
    if escapes:
        # Half a surrogate pair can be written in JSON and can be stored nowhere.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read_parquet(path: Path, records: Records) -> None:
    try:
        with path.open("rb") as file:
            # Not read_table, which refuses a name that two columns have.
            table = pq.ParquetFile(file).read()
    except (pa.ArrowException, ValueError) as error:
        raise SourceError(f"{records.name}: not a Parquet file that can be read ({error})") from error
    names, records.twice = distinct_names(table.column_names)
    records.columns = dict(zip(names, table.columns, strict=True))
    records.numbers = list(range(1, table.num_rows + 1))
