"""The columns of a generation, as filters and facets speak of them."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from embeddings_orch.models.rows.lists import is_list
from embeddings_orch.models.rows.notes import is_data
from embeddings_orch.store.tables.generations import Generation

ColumnKind = Literal["string", "number", "boolean", "time", "list", "other"]


def kind_of(kind: pa.DataType) -> ColumnKind:
    """What a type is to a person.

    Example:
        >>> kind_of(pa.int32())
        'number'
    """
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind):
        return "string"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_temporal(kind) and not types.is_duration(kind) and not types.is_interval(kind):
        return "time"
    if is_list(kind):
        return "list"
    return "other"


def columns_of(schema: pa.Schema, generation: Generation) -> dict[str, ColumnKind]:
    """The columns of a generation's table but its vectors, by name."""
    vectors = {model.column for model in generation.models}
    return {field.name: kind_of(field.type) for field in schema if field.name not in vectors and is_data(field.name)}
