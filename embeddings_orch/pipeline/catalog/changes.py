"""Whether the media changed since they were scanned, by a listing that reads no contents."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.media.base import Listing
from embeddings_orch.media.sources.files import is_same_stat
from embeddings_orch.models.identity import digest
from embeddings_orch.models.rows.notes import STAT_COLUMN
from embeddings_orch.pipeline.context import Pipeline


@dataclass(frozen=True)
class Listed:
    """The media at one moment.

    Attributes:
        digest: over the listing and the media settings; the scan that it precedes is recorded with it.
    """

    listing: Listing
    digest: str


def list_media(pipeline: Pipeline) -> Listed | None:
    """List the media; None where the source cannot do so cheaply.

    Raises:
        SourceError: the source as a whole cannot be read.
    """
    listing = pipeline.source.list_items()
    if listing is None:
        return None
    parts = [pipeline.spec.media_version(), dict(listing.items), dict(listing.others)]
    return Listed(listing, digest(parts))


def changes(pipeline: Pipeline, listed: Listed) -> str:
    """How a listing differs from the stored catalog, in words; an estimate, as no content is read."""
    stored = pipeline.store.catalog(pipeline.spec.name).read(columns=["id", STAT_COLUMN])
    if stored is None:
        return f"{len(listed.listing.items):,} items that were never scanned"
    known = dict(zip(stored["id"].to_pylist(), stored[STAT_COLUMN].to_pylist(), strict=True))
    items = listed.listing.items
    new = sum(item not in known for item in items)
    # A file that was written just before its scan has no stat to compare with.
    touched = sum(bool(known.get(item)) and not is_same_stat(known[item], stat) for item, stat in items.items())
    # A table's rows without a file are no items of a listing.
    deleted = sum(item not in items and bool(stat) for item, stat in known.items())
    counts = {"new": new, "changed": touched, "deleted": deleted}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"media: {told}" if told else "media: captions, columns or settings changed"
