"""The columns of a catalog that are its own notes, and no data of its items; a user's may begin with ``_`` as well."""

from __future__ import annotations

STAT_COLUMN = "_stat"
"""``size:mtime_ns:ctime_ns:inode`` of a local file whose hash can be trusted while it stays, else empty."""

PART_COLUMN = "_part"
"""Which part of an item a row is; null for the whole item."""

DIGEST_COLUMN = "_digest"
"""Of a row, over all its data; see `embeddings_orch.models.rows.digests`."""

NOTES = frozenset({STAT_COLUMN, PART_COLUMN, DIGEST_COLUMN})
"""All of them."""


def is_data(column: str) -> bool:
    """Whether a column of a catalog or of an index is data of its items."""
    return column not in NOTES
