"""A cell's one text: what it is as an id, a path, a caption, or the text that a model reads.

The same value has the same text whatever its type: 7, 7.0 and 7.00 are ``7``. Numbers are as short as they can be
written, decimals without an exponent; times are ISO 8601; bytes are the text that they are in UTF-8; lists and objects
are JSON. NaN is no value, and bytes that are no UTF-8 have no text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.rows.jsonable import decimal_text, duration_text, to_jsonable
from embeddings_orch.models.rows.tags import plain

_EXACT = 2**53
"""Below it a float that is whole is one integer and no other."""


def is_blank(text: str) -> bool:
    """Whether a text is empty, or of blanks alone: it is no content."""
    return not text or text.isspace()


def without_blanks(texts: pa.Array) -> pa.Array:
    """Texts, null where one `is_blank`."""
    blank = pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts))
    return pc.if_else(blank, pa.scalar(None, texts.type), texts)


def cell_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The text of every value as a large string; null where it has none."""
    column, types = plain(column), pa.types
    if types.is_large_string(column.type):
        return column
    if types.is_large_binary(column.type):
        try:
            return column.cast(pa.large_string())
        except pa.ArrowInvalid:
            return _by_value(column, cell_text)
    if types.is_integer(column.type) or types.is_boolean(column.type):
        return column.cast(pa.large_string())
    return _by_value(column, cell_text)


def cell_text(value: object) -> str | None:
    """The text of one value; None where it has none.

    Example:
        >>> cell_text(7.0), cell_text(b"abc"), cell_text(float("nan")), cell_text([1, {"a": None}])
        ('7', 'abc', None, '[1,{"a":null}]')
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _decode(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else repr(_shorten(value))
    if isinstance(value, Decimal):
        return None if value.is_nan() else decimal_text(value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(_shorten_all(to_jsonable(value)), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if isinstance(value, timedelta):
        return duration_text(value)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _by_value(column: pa.ChunkedArray, text: Callable[[object], str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([text(value) for value in column.to_pylist()], pa.large_string())])


def _decode(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _shorten(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < _EXACT else value


def _shorten_all(value: object) -> object:
    if isinstance(value, list):
        return [_shorten_all(item) for item in value]
    if isinstance(value, dict):
        return {key: _shorten_all(item) for key, item in value.items()}
    return _shorten(value) if isinstance(value, float) else value
