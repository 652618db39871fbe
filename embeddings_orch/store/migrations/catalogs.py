"""A catalog of the older formats as one of format 3."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.rows.digests import row_digests
from embeddings_orch.store.boxes import box, unbox
from embeddings_orch.store.creating import mark_key
from embeddings_orch.store.migrations.layout import DIGEST, TOMBSTONES

_ROOT = b"embeddings_orch.media_root"
_STAT = "_stat"
_REQUIRED = ("id", "uri", "content_hash", "modality")
_GIVEN = (*_REQUIRED, "mime")
"""Strings of every catalog that are short; all others are large strings."""


def convert_catalog(old: pa.Table) -> pa.Table:
    """All rows of one version, as the table keeps them, sorted by id.

    Uris are relative to the media's root where the items tell which it is (see `find_root`), else as they were.
    """
    table = unbox(old.replace_schema_metadata(None))
    root = find_root(table)
    if root:
        table = _relative(table, root)
    for place, field in enumerate(table.schema):
        column = table.column(place).cast(_new_type(field))
        table = table.set_column(place, pa.field(field.name, column.type, field.name not in _REQUIRED), column)
    # Sorted as large strings: of plain ones, 2 GiB in a column are too many.
    table = table.sort_by("id")
    stat = table[_STAT] if _STAT in table.column_names else pa.repeat("", table.num_rows)
    table = table.select([name for name in table.column_names if name != _STAT])
    digests = row_digests(table)
    table = table.append_column(pa.field("_part", pa.string()), pa.nulls(table.num_rows, pa.string()))
    table = table.append_column(pa.field("_digest", DIGEST, nullable=False), digests)
    table = table.append_column(pa.field(_STAT, pa.string()), stat)
    return box(table.cast(mark_key(table.schema, "id"))).replace_schema_metadata(
        {**(old.schema.metadata or {}), _ROOT: root.encode()}
    )


def find_root(table: pa.Table) -> str:
    """The folder that a catalog's media are in; empty where that cannot be told.

    A file's path ends with its id, which is relative to the folder; a text of a table has the table's path and its id.
    """
    local = table.filter(pc.starts_with(table["uri"], "/"))
    roots: set[str] = set()
    for uri, item in zip(local["uri"].to_pylist(), local["id"].to_pylist(), strict=True):
        if uri.endswith(f"/{item}"):
            roots.add(uri[: -len(item) - 1])
        elif uri.endswith(f"#{item}"):
            roots.add(uri[: -len(item) - 1].rpartition("/")[0])
        else:
            return ""
        if len(roots) > 1:
            return ""
    return next(iter(roots), "")


def find_deleted(versions: Sequence[tuple[int, pa.Table]]) -> pa.Table:
    """The tombstones of a catalog: each id that a version lacks and the one before it has.

    Args:
        versions: new numbers and rows, oldest first.
    """
    parts = [TOMBSTONES.empty_table()]
    for (_, before), (number, after) in pairwise(versions):
        gone = before["id"].filter(pc.invert(pc.is_in(before["id"], after["id"].combine_chunks()))).combine_chunks()
        parts.append(pa.table([gone, pa.repeat(pa.scalar(number, pa.int64()), len(gone))], schema=TOMBSTONES))
    return pa.concat_tables(parts)


def _relative(table: pa.Table, root: str) -> pa.Table:
    uris, start = table["uri"], root + "/"
    below = pc.starts_with(uris, start)
    place = table.schema.get_field_index("uri")
    relative = pc.if_else(below, pc.utf8_slice_codeunits(uris, len(start)), uris)
    return table.set_column(place, table.schema.field(place), relative)


def _new_type(field: pa.Field) -> pa.DataType:
    if pa.types.is_string(field.type) and field.name not in (*_GIVEN, _STAT):
        return pa.large_string()
    if pa.types.is_timestamp(field.type) and field.type.tz:
        # The same instant: Arrow keeps times with a zone in UTC.
        return pa.timestamp(field.type.unit, "UTC")
    return field.type
