"""Columns of lists of numbers, read without making a Python object of every number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's lists."""
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_numbers(kind: pa.DataType) -> bool:
    """Whether a type is a list of numbers."""
    return is_list(kind) and bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def number_lists(column: pa.ChunkedArray, dtype: type[np.floating[Any]]) -> Iterator[Any | None]:
    """The lists of a column (see `is_numbers`) as arrays, shape (its length,); None for null and where one holds null.

    What ``dtype`` cannot hold is infinite.
    """
    for chunk in column.chunks:
        lists = chunk.cast(pa.large_list(chunk.type.value_type))
        offsets = lists.offsets.to_numpy()
        valid = lists.is_valid().to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            numbers = lists.values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
        known = lists.values.is_valid().to_numpy(zero_copy_only=False) if lists.values.null_count else None
        for row in range(len(lists)):
            start, stop = offsets[row], offsets[row + 1]
            whole = valid[row] and (known is None or known[start:stop].all())
            yield numbers[start:stop] if whole else None
