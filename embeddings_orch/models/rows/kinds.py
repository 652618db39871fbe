"""Types of Arrow that are alike in what their values are."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types


def is_text(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's types of texts."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's types of bytes."""
    small = types.is_binary(kind) or types.is_fixed_size_binary(kind)
    return bool(small or types.is_large_binary(kind) or types.is_binary_view(kind))
