"""Reads CSV, JSON, JSON Lines and Parquet files, whatever they are called where their bytes say what they are."""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import re
import zlib
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embeddings_orch.errors import ItemError, SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.names import distinct_names
from embeddings_orch.media.decoding.pictures import decode_text
from embeddings_orch.media.sources.files import reason
from embeddings_orch.media.sources.json_rows import read_json
from embeddings_orch.media.sources.records import Records, place
from embeddings_orch.media.sources.signs import PARQUET_SIGN, SAMPLE, Format, begins_like_json, check_bytes

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

_GZIP_START = b"\x1f\x8b"
_LEAST_PARQUET = 12
"""Bytes of the smallest file: both signs, and the length of what stands between."""

_SEPARATOR = re.compile(r'\A"?sep=([^\r\n])"?(?=[\r\n])', re.IGNORECASE)
"""The line before the header by which Excel says what separates the fields."""

_LONGEST_FIELD, _LONGEST_HEADER = 2**31 - 1, 1_000_000


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
        if file_format == "parquet" or _is_parquet(path):
            _read_parquet(path, records)
            return records
        data = path.read_bytes()
        if path.suffix.lower() == GZIP or data.startswith(_GZIP_START):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{records.name}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise SourceError(f"{records.name} cannot be read: {reason(error)}") from error
    check_bytes(data, file_format, records.name)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = _from_utf_16(data, records.name)
    if file_format == "csv":
        _read_csv(data, records, delimiter)
    else:
        read_json(data, records)
        records.hint = "" if begins_like_json(data) else "; if it is a CSV, set `format: csv`"
    return records


def _from_utf_16(data: bytes, name: str) -> bytes:
    """What spreadsheets and PowerShell write, as UTF-8."""
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{name}: not whole UTF-16 text ({error.reason}); save it as UTF-8") from error


def _is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as Parquet files do, whatever it is called."""
    with path.open("rb") as file:
        start = file.read(len(PARQUET_SIGN))
        if start != PARQUET_SIGN or file.seek(0, os.SEEK_END) < _LEAST_PARQUET:
            return False
        file.seek(-len(PARQUET_SIGN), os.SEEK_END)
        return file.read() == PARQUET_SIGN


def _read_csv(data: bytes, records: Records, delimiter: str | None) -> None:
    try:
        text = decode_text(data)
    except ItemError as error:
        raise SourceError(f"{records.name}: {error}") from error
    records.untyped = True
    told = _SEPARATOR.match(text)
    csv.field_size_limit(_LONGEST_FIELD)  # of the process; a text of some pages passes the usual 131,072 characters
    delimiter = delimiter or (told[1] if told else _delimiter(text))
    reader = csv.reader(StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[list[str]] = []
    line = number = 0
    ragged = False
    header: list[str] | None = None
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            if not row or (told and line == 1):
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


def _read_parquet(path: Path, records: Records) -> None:
    try:
        with path.open("rb") as file:
            # Not read_table, which refuses a name that two columns have.
            table = pq.ParquetFile(file).read()
    except (pa.ArrowException, ValueError) as error:
        check_bytes(path.read_bytes()[:SAMPLE], "parquet", records.name)
        raise SourceError(f"{records.name}: not a Parquet file that can be read ({error})") from error
    names, records.twice = distinct_names(table.column_names)
    records.columns = dict(zip(names, table.columns, strict=True))
    records.numbers = list(range(1, table.num_rows + 1))
