"""What a source lists, in the form that a catalog keeps it in."""

from __future__ import annotations

import pyarrow as pa

from embeddings_orch.media.base import CATALOG_SCHEMA, Problem
from embeddings_orch.media.catalog.choice import ColumnChoice
from embeddings_orch.media.catalog.own import keep_columns
from embeddings_orch.media.roots import relative_uris
from embeddings_orch.models.rows.notes import PART_COLUMN, STAT_COLUMN


def to_stored(listed: pa.Table, root: str, where: str) -> tuple[pa.Table, list[Problem]]:
    """A source's table with relative uris, whole items, and the user's columns as `keep_columns` gives them.

    Args:
        listed: as a source gives it.
        root: of the source.
        where: what the source is called, for messages.

    Returns:
        The columns in their order, with `PART_COLUMN` before the stat; without digests. And what is told of columns
        that the source has not kept so itself.
    """
    listed = relative_uris(root, listed)
    own_places = [place for place, name in enumerate(listed.column_names) if name not in _NOT_OWN]
    own = keep_columns(listed.select(own_places), ColumnChoice(), where)
    fields = [listed.schema.field(field.name).with_type(field.type) for field in CATALOG_SCHEMA]
    columns = [listed[field.name].cast(field.type) for field in CATALOG_SCHEMA]
    for name, values in own.columns.items():
        fields.append(pa.field(name, values.type))
        columns.append(values)
    fields += [pa.field(PART_COLUMN, pa.string()), listed.schema.field(STAT_COLUMN)]
    columns += [pa.nulls(listed.num_rows, pa.string()), listed[STAT_COLUMN]]
    return pa.table(columns, schema=pa.schema(fields)), own.problems


_NOT_OWN = frozenset({*CATALOG_SCHEMA.names, STAT_COLUMN})
