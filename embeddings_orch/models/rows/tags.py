"""A column's values as digests count them, the same whatever the width of its type.

What digests are made of stays as it is: another text would count every row as changed. What a person or a model reads
is `embeddings_orch.models.rows.cells`.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.rows.lists import is_list, number_lists

_LONG = 64
"""Floats from which on a list goes by a hash of them: as text, vectors would take most of the time of a scan."""


def tag_cells(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every value as ``name=family:length:text``, null as nothing; different rows join differently."""
    texts = digest_texts(column)
    lengths = pc.binary_length(texts).cast(pa.large_string())
    start = f"{name}={_family(plain(column).type)}:"
    first, colon, nothing = (pa.scalar(part, pa.large_string()) for part in (start, ":", ""))
    cells = pc.binary_join_element_wise(first, lengths, colon, texts, nothing, null_handling="emit_null")
    return pc.fill_null(cells, nothing)


def digest_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every value as a large string that no other value of its type has, nulls kept; bytes in hex.

    A list of 64 floats or more is sha256 of them, as float64. A field of a struct that is null is no field.
    """
    column = plain(column)
    if pa.types.is_large_string(column.type):
        return column
    if is_list(column.type) and pa.types.is_floating(column.type.value_type):
        return _float_lists(column)
    if pa.types.is_floating(column.type) or pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        # Arrow's own wording of these has changed between its versions.
        return _by_value(column, _text)
    if pa.types.is_large_binary(column.type):
        return _by_value(column, bytes.hex)
    return column.cast(pa.large_string())


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with dictionaries decoded and all kinds of strings and bytes made large ones."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type) or pa.types.is_null(column.type):
        return column.cast(pa.large_string())
    if _is_small_binary(column.type):
        return column.cast(pa.large_binary())
    return column


def _is_small_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind))


def _family(kind: pa.DataType) -> str:
    # A whole number is the same value as integer and as float, and as text it is another.
    families = {
        "string": pa.types.is_large_string,
        "bool": pa.types.is_boolean,
        "number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
        "time": pa.types.is_temporal,
        "decimal": pa.types.is_decimal,
        "binary": pa.types.is_large_binary,
    }
    return next((family for family, test in families.items() if test(kind)), "list")


def _float_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts: list[str | None] = []
    for row, numbers in enumerate(number_lists(column, np.float64)):
        if numbers is None or len(numbers) < _LONG:
            value = column[row].as_py()
            texts.append(None if value is None else _text(value))
        else:
            # One zero and one NaN, as in the text of a shorter list.
            same = np.where(np.isnan(numbers), np.nan, numbers + 0.0)
            texts.append(f"sha256:{hashlib.sha256(same.tobytes()).hexdigest()}")
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _by_value(column: pa.ChunkedArray, text: Any) -> pa.ChunkedArray:
    values = [None if value is None else text(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.large_string())])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(_shortest(value))
    if isinstance(value, list | dict):
        return json.dumps(_jsonable(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _shortest(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 2**53 else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items() if item is not None}
    if isinstance(value, float):
        return _shortest(value)
    return value if value is None or isinstance(value, str | int) else _text(value)
