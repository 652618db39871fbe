"""Lists of numbers in boxes: LanceDB takes some for vectors, by their names or types, and refuses or rewrites them.

Lists of numbers that are called a vector or an embedding, or have a fixed size, have to be of one length and without
NaN for LanceDB 0.40, and become float32. Within a struct they are stored as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types

from embeddings_orch.models.rows.lists import is_numbers

_IN = "list"


def box(table: pa.Table) -> pa.Table:
    """A table with each list of numbers in a struct, and each struct that looks like such a one."""
    return _replace(table, lambda kind: is_numbers(kind) or _is_box(kind), _box_column)


def unbox(table: pa.Table) -> pa.Table:
    """What `box` was given."""
    return _replace(table, _is_box, _unbox_column)


def dense(table: pa.Table) -> pa.Table:
    """A table whose structs are no slices of others: of those LanceDB 0.40 writes other rows' values, or breaks off."""
    return _replace(table, types.is_struct, lambda column: column.take(pa.array(range(len(column)), pa.int64())))


def _replace(
    table: pa.Table, wanted: Callable[[pa.DataType], bool], replace: Callable[[pa.ChunkedArray], pa.ChunkedArray]
) -> pa.Table:
    """A table whose columns of some types are replaced; all at once, as it may have thousands."""
    if not any(wanted(field.type) for field in table.schema):
        return table
    columns = [replace(column) if wanted(column.type) else column for column in table.columns]
    fields = [field.with_type(column.type) for field, column in zip(table.schema, columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields, table.schema.metadata))


def _box_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    box = pa.struct([pa.field(_IN, column.type)])
    return pa.chunked_array([pa.StructArray.from_arrays([chunk], fields=list(box)) for chunk in column.chunks], box)


def _unbox_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Not field(0), which knows nothing of the rows that a slice leaves out.
    inner = column.type.field(0).type
    return pa.chunked_array([chunk.flatten()[0] for chunk in column.chunks], inner)


def _is_box(kind: pa.DataType) -> bool:
    return bool(types.is_struct(kind) and kind.num_fields == 1 and kind.field(0).name == _IN)
