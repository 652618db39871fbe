"""Contents as the vectors table keeps them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from embeddings_orch.models.content import ContentId, content_hash
from embeddings_orch.models.keys import key_array


def text_ids(texts: Iterable[str]) -> list[ContentId]:
    """Each text as a content."""
    return [ContentId("text", content_hash(text)) for text in texts]


def text_keys(*texts: str | None) -> pa.Array:
    """The key of each text, null for None."""
    return key_array(None if text is None else text_ids([text])[0].key for text in texts)


def ids_of(rows: pa.Table) -> list[ContentId]:
    """The items of a catalog, or the rows of `embeddings_orch.media.catalog.diff.contents`."""
    return [
        ContentId(row["modality"], row["content_hash"]) for row in rows.select(["modality", "content_hash"]).to_pylist()
    ]
