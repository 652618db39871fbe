"""Ready-made vectors: a column of the catalog that holds them, each looked at and taken as it is.

A vector goes by the hash of its own numbers as float32, and its key is of a kind of its own, so that none can be taken
for one that was made of a content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from embeddings_orch.errors import SourceError
from embeddings_orch.media.catalog.diff import (
    ContentColumns,
    distinct_contents,
    media_content,
    own_columns,
)
from embeddings_orch.models.content import Failure, Vectors, content_hash
from embeddings_orch.models.keys import key_array
from embeddings_orch.models.rows.cells import cell_texts
from embeddings_orch.models.rows.lists import is_list, is_numbers, number_lists
from embeddings_orch.plugins import suggestion

NORM_TOLERANCE = 1e-3
"""By how much the length of a vector may differ from 1."""

_ROWS = 20_000
"""Vectors in memory at a time."""

RowNumbers = NDArray[np.int64]


@dataclass(frozen=True)
class ReadyVectors:
    """The vectors of a column; made by `ready_vectors`.

    Attributes:
        contents: all distinct ones, those that do not count too, as `embeddings_orch.media.catalog.diff.contents`.
        failures: why some do not count, by key.
    """

    contents: pa.Table
    failures: dict[bytes, Failure]
    _length: int | None
    _lists: pa.ChunkedArray
    _keys: pa.Array

    def keys(self) -> pa.Array:
        """The distinct keys of the vectors that count."""
        keys = self.contents["key"].combine_chunks()
        return keys.filter(pc.invert(pc.is_in(keys, key_array(self.failures))))

    def version(self) -> None:
        """The version of a table that others may write meanwhile: there is none."""

    def total(self) -> int:
        """The rows of a table that others may write meanwhile: there is none."""
        return 0

    def dimensions(self) -> int | None:
        """The length of the vectors that count, or None where there are none."""
        return self._length if len(self.failures) < self.contents.num_rows else None

    def take(self, keys: pa.Array) -> pa.Array:
        """The vectors of some keys of those that count, in their order; null for null."""
        return next(self.chunks(keys, max(1, len(keys))))

    def chunks(self, keys: pa.Array, count: int) -> Iterator[pa.Array]:
        """What `take` returns, so many keys at a time; of no keys one empty chunk."""
        rows = pc.index_in(keys, self._keys, skip_nulls=True)
        for start in range(0, max(1, len(keys)), count):
            yield self._take_rows(rows.slice(start, count))

    def _take_rows(self, rows: pa.Array) -> pa.Array:
        length = self._length or 1
        there = rows.is_valid().to_numpy(zero_copy_only=False)
        result = np.zeros((len(rows), length), dtype=np.float32)
        result[there] = _matrix(self._lists.take(rows.drop_null()), length)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(result.ravel()), length)
        return flat if there.all() else pc.if_else(pa.array(there), flat, pa.scalar(None, flat.type))

    def scan(self, keys: pa.Array | None = None) -> Iterator[pa.RecordBatch]:
        """The vectors that count in batches of ``key`` and ``vector``; or those of some keys."""
        counting = self.keys()
        if keys is not None:
            counting = counting.filter(pc.is_in(counting, keys))
        start = 0
        for vectors in self.chunks(counting, _ROWS):
            yield pa.record_batch([counting.slice(start, _ROWS), vectors], names=["key", "vector"])
            start += _ROWS


def ready_vectors(table: pa.Table, column: str, length: int | None, *, normalize: bool) -> ReadyVectors:
    """Look at all vectors of a column.

    Args:
        table: a catalog.
        column: the column of vectors: lists of numbers, or such lists as JSON.
        length: how many numbers each has to have; None for as many as most of them have.
        normalize: whether each has to be of unit length.

    Raises:
        SourceError: there is no such column, or it does not hold lists.
    """
    lists = _lists(table, column)
    hashes, lengths = _hashes(table[column], lists)
    content = _content(table, hashes)
    keys, contents = content.keys(), distinct_contents(table, content)
    firsts = pc.index_in(contents["key"].combine_chunks(), keys)
    told = "the model's vectors have"
    if length is None:
        length, told = _usual(lengths[firsts.to_numpy()]), "most have"
    reasons = _Reasons(column, length, told, normalize).of(lists, firsts.to_numpy(), lengths)
    rows = zip(contents["key"].to_pylist(), contents["uri"].to_pylist(), reasons, strict=True)
    failures = {key: Failure(key, uri, reason) for key, uri, reason in rows if reason}
    return ReadyVectors(contents, failures, length, lists, keys)


def ready_contents(table: pa.Table, column: str) -> pa.Table:
    """The distinct vectors of a column, each with its first row by id; columns as of other contents.

    Raises:
        SourceError: as `ready_vectors`.
    """
    return distinct_contents(table, _content(table, _hashes(table[column], _lists(table, column))[0]))


def ready_keys(table: pa.Table, column: str) -> pa.Array:
    """For each row the key of its vector; null where it has none.

    Raises:
        SourceError: as `ready_vectors`.
    """
    return _content(table, _hashes(table[column], _lists(table, column))[0]).keys()


@dataclass(frozen=True)
class _Reasons:
    """Why vectors do not count."""

    column: str
    length: int | None
    told: str
    normalize: bool

    def of(self, lists: pa.ChunkedArray, rows: RowNumbers, lengths: RowNumbers) -> list[str]:
        """The reason of each of some rows, empty where there is none.

        Args:
            lists: of all rows.
            rows: which to look at.
            lengths: of all rows, below 0 where one is no list of numbers.
        """
        reasons = [self._of_length(length) for length in lengths[rows].tolist()]
        right = [place for place, reason in enumerate(reasons) if not reason]
        for start in range(0, len(right), _ROWS):
            places = right[start : start + _ROWS]
            for place, reason in zip(places, self._of_numbers(lists.take(pa.array(rows[places]))), strict=True):
                reasons[place] = reason
        return reasons

    def _of_length(self, length: int) -> str:
        if length < 0:
            return f"its {self.column!r} is no list of numbers"
        if length == self.length:
            return ""
        if self.length is None:
            return f"its {self.column!r} is empty"
        due = f"{self.told} {self.length:,}: `vectors` has to name what the declared model made"
        return f"its {self.column!r} has {length:,} numbers, {due}"

    def _of_numbers(self, lists: pa.ChunkedArray) -> list[str]:
        vectors = _matrix(lists, self.length or 1)
        finite = np.asarray(np.isfinite(vectors).all(axis=1)).tolist()
        with np.errstate(invalid="ignore", over="ignore"):
            norms = np.asarray(np.linalg.norm(vectors.astype(np.float64), axis=1)).tolist()
        return [
            self._of_norm(norm) if whole else f"its {self.column!r} holds NaN or infinity"
            for whole, norm in zip(finite, norms, strict=True)
        ]

    def _of_norm(self, norm: float) -> str:
        if norm == 0:
            return f"its {self.column!r} is all zeros"
        if self.normalize and abs(norm - 1) > NORM_TOLERANCE:
            return f"its {self.column!r} has the norm {norm:.4g}, not 1: scale it, or set normalize: false"
        return ""


def _lists(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column as lists of numbers; null where its value is none."""
    allowed = own_columns(table)
    if name not in allowed:
        raise SourceError(f"the media have no column {name!r} of vectors{suggestion(name, allowed)}")
    column = table[name]
    if is_numbers(column.type):
        return column
    if not (is_list(column.type) or types.is_large_string(column.type)):
        raise SourceError(f"the column {name!r} holds {column.type}, not vectors: lists of numbers")
    # A single value that is something else turns a column of a JSON or CSV file into text.
    return pa.chunked_array([pa.array([_numbers(value) for value in column.to_pylist()], pa.list_(pa.float64()))])


def _numbers(value: Any) -> list[float] | None:
    try:
        numbers = json.loads(value) if isinstance(value, str) else value
        return [float(number) for number in numbers] if isinstance(numbers, list) else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _hashes(column: pa.ChunkedArray, lists: pa.ChunkedArray) -> tuple[pa.Array, RowNumbers]:
    """Of each row the hash of its vector, null where it has none, and its length, -1 where it is no list of numbers."""
    hashes: list[str | None] = []
    lengths = np.full(len(lists), -1, dtype=np.int64)
    for row, numbers in enumerate(number_lists(lists, np.float32)):
        if numbers is not None:
            lengths[row] = len(numbers)
            hashes.append(content_hash(numbers.tobytes()))
        else:
            hashes.append(_hash_of_text(column, row))
    return pa.array(hashes, pa.string()), lengths


def _hash_of_text(column: pa.ChunkedArray, row: int) -> str | None:
    text = cell_texts(column.slice(row, 1))[0].as_py()
    return None if text is None else content_hash(text)


def _content(table: pa.Table, hashes: pa.Array) -> ContentColumns:
    item = media_content(table)
    return ContentColumns(hashes, item.texts, item.modality, item.sizes, "vector")


def _usual(lengths: RowNumbers) -> int | None:
    """The most frequent length, of two the first."""
    counts = Counter(length for length in lengths.tolist() if length > 0)
    return counts.most_common(1)[0][0] if counts else None


def _matrix(lists: pa.ChunkedArray, length: int) -> Vectors:
    """Lists of one length as an array, shape (rows, length), float32."""
    numbers = [chunk.flatten().to_numpy(zero_copy_only=False).astype(np.float32) for chunk in lists.chunks]
    return np.concatenate(numbers).reshape(-1, length) if numbers else np.zeros((0, length), dtype=np.float32)
