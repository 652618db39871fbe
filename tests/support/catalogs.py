"""Small catalogs, as a source gives them."""

from __future__ import annotations

import pyarrow as pa

from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.models.content import content_hash
from embeddings_orch.models.rows.notes import STAT_COLUMN


def catalog(rows, **own):
    """Rows of (id, content, modality, caption, text)."""
    columns = {name: [None] * len(rows) for name in CATALOG_SCHEMA.names}
    columns["id"] = [row[0] for row in rows]
    columns["uri"] = [f"/m/{row[0]}" for row in rows]
    columns["content_hash"] = [content_hash(row[1]) for row in rows]
    columns["modality"] = [row[2] for row in rows]
    columns["caption"] = [row[3] for row in rows]
    columns["text"] = [row[4] for row in rows]
    table = pa.table(columns, CATALOG_SCHEMA)
    for name, values in own.items():
        table = table.append_column(name, values if isinstance(values, pa.Array) else pa.array(values))
    return table.append_column(STAT_COLUMN, pa.array(["1:2:3"] * len(rows)))


ROWS = [
    ("a.png", b"A", "image", "red", None),
    ("b.png", b"B", "image", "red", "a user's text"),
    ("c.png", b"A", "image", "", None),
    ("d.txt", "words", "text", None, "words"),
]
