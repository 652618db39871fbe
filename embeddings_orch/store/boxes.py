"""Lists of numbers in boxes: LanceDB takes some for vectors, by their names or types, and refuses or rewrites them.

Lists of numbers that are called a vector or an embedding, or have a fixed size, have to be of one length and without
NaN for LanceDB 0.40, and become float32. Within a struct they are stored as they are.
"""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types

_IN = "list"


def box(table: pa.Table) -> pa.Table:
    """A table with each list of numbers in a struct, and each struct that looks like such a one."""
    for place, field in enumerate(table.schema):
        if _is_numbers(field.type) or _is_box(field.type):
            box = pa.struct([pa.field(_IN, field.type)])
            chunks = [pa.StructArray.from_arrays([chunk], fields=list(box)) for chunk in table.column(place).chunks]
            table = table.set_column(place, field.with_type(box), pa.chunked_array(chunks, box))
    return table


def unbox(table: pa.Table) -> pa.Table:
    """What `box` was given."""
    for place, field in enumerate(table.schema):
        if _is_box(field.type):
            # Not field(0), which knows nothing of the rows that a slice leaves out.
            chunks = [chunk.flatten()[0] for chunk in table.column(place).chunks]
            inner = field.type.field(0).type
            table = table.set_column(place, field.with_type(inner), pa.chunked_array(chunks, inner))
    return table


def dense(table: pa.Table) -> pa.Table:
    """A table whose structs are no slices of others: of those LanceDB 0.40 writes other rows' values, or breaks off."""
    for place, field in enumerate(table.schema):
        if types.is_struct(field.type):
            column = table.column(place)
            table = table.set_column(place, field, column.take(pa.array(range(len(column)), pa.int64())))
    return table


def _is_numbers(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)))


def _is_box(kind: pa.DataType) -> bool:
    return bool(types.is_struct(kind) and kind.num_fields == 1 and kind.field(0).name == _IN)
