"""What a source lists, in the form that a catalog keeps it in."""

from __future__ import annotations

import pyarrow as pa

from embeddings_orch.media.base import CATALOG_SCHEMA, PART_COLUMN, STAT_COLUMN
from embeddings_orch.media.roots import relative_uris


def to_stored(listed: pa.Table, root: str) -> pa.Table:
    """A source's table with relative uris, large texts, times with a zone in UTC, and whole items.

    Args:
        listed: as a source gives it.
        root: of the source.

    Returns:
        The columns in their order, with `PART_COLUMN` before the stat; without digests.
    """
    listed = relative_uris(root, listed)
    fields = [field.with_type(_stored_type(field)) for field in listed.schema]
    table = listed.cast(pa.schema(fields))
    return table.add_column(
        table.num_columns - 1, pa.field(PART_COLUMN, pa.string()), pa.nulls(table.num_rows, pa.string())
    )


def _stored_type(field: pa.Field) -> pa.DataType:
    if field.name in CATALOG_SCHEMA.names:
        return CATALOG_SCHEMA.field(field.name).type
    if field.name == STAT_COLUMN:
        return field.type
    if pa.types.is_string(field.type):
        return pa.large_string()
    if pa.types.is_timestamp(field.type) and field.type.tz:
        return pa.timestamp(field.type.unit, "UTC")
    return field.type
