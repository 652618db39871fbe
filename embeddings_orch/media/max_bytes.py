"""How large a content may be, by modality: what is larger is a failure of its item, and is not read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from embeddings_orch.models.content import Failure

_NAMES = {"text": "text", "image": "picture", "audio": "sound"}


class MaxBytes(BaseModel):
    """The most bytes of a content.

    Example:
        >>> MaxBytes(text=1_000_000).text
        1000000
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: int = Field(8 * 2**20, ge=1, description="Of a text: a file, or a cell that is embedded.")
    image: int = Field(256 * 2**20, ge=1, description="Of a picture's file.")
    audio: int = Field(512 * 2**20, ge=1, description="Of a sound's file.")


def oversized(contents: pa.Table, limits: MaxBytes) -> dict[bytes, Failure]:
    """The failures of the contents that are larger than a limit, by key.

    Args:
        contents: as `embeddings_orch.media.catalog.diff.contents` returns them; a size that is null passes.
        limits: by modality.
    """
    failures: dict[bytes, Failure] = {}
    for modality, name in _NAMES.items():
        limit: int = getattr(limits, modality)
        beyond = pc.and_(pc.equal(contents["modality"], modality), pc.greater(contents["size"], limit))
        for row in contents.select(["key", "uri", "size"]).filter(beyond).to_pylist():
            reason = f"the {name} has {row['size']:,} bytes; the limit is {limit:,} (media.max_bytes.{modality})"
            failures[row["key"]] = Failure(row["key"], row["uri"], reason, "limit")
    return failures
