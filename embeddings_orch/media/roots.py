"""Uris as a catalog keeps them, relative to the media's root, and as all others have them, absolute."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_ABSOLUTE = r"\A(?:/|[A-Za-z][A-Za-z0-9+.\-]*://)"


def relative_uris(root: str, table: pa.Table) -> pa.Table:
    """A table whose column ``uri`` has what is below the root relative to it, with slashes; others stay absolute.

    Args:
        root: the absolute path of a folder, or empty.
        table: with absolute uris.
    """
    if not root:
        return table
    uris, start = table["uri"], _start(root)
    rest = pc.utf8_slice_codeunits(uris, len(start))
    # What would be taken for an absolute one on the way back is left as it is.
    unclear = pc.or_(pc.match_substring_regex(rest, _ABSOLUTE), pc.equal(rest, ""))
    below = pc.and_(pc.starts_with(uris, start), pc.invert(unclear))
    return _with_uris(table, pc.if_else(below, rest, uris))


def absolute_uris(root: str, table: pa.Table) -> pa.Table:
    """What `relative_uris` was given; a table without the column ``uri`` is returned as it is."""
    if not root or "uri" not in table.column_names:
        return table
    uris = table["uri"]
    joined = pc.binary_join_element_wise(pa.scalar(_start(root), uris.type), uris, pa.scalar("", uris.type))
    return _with_uris(table, pc.if_else(pc.match_substring_regex(uris, _ABSOLUTE), uris, joined))


def absolute_uri(root: str, uri: str) -> str:
    """One uri, as `absolute_uris` makes them.

    Example:
        >>> absolute_uri("/photos", "a/b.jpg"), absolute_uri("/photos", "/x.jpg"), absolute_uri("", "s3://bucket/x.jpg")
        ('/photos/a/b.jpg', '/x.jpg', 's3://bucket/x.jpg')
    """
    return uri if not root or re.match(_ABSOLUTE, uri) else _start(root) + uri


def _start(root: str) -> str:
    return root.rstrip("/") + "/"


def _with_uris(table: pa.Table, uris: pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index("uri")
    return table.set_column(place, table.schema.field(place), uris)
