"""Numbers with what they count: items, or the contents that items share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def count_of_contents(count: int) -> str:
    """As in: 2 contents."""
    return f"{count:,} content{'' if count == 1 else 's'}"


def count_of_items(count: int) -> str:
    """As in: 2 items."""
    return f"{count:,} item{'' if count == 1 else 's'}"


def describe_items(counts: Mapping[str, Any]) -> str:
    """What the items of a catalog have of an embedding, in words.

    Args:
        counts: as `embeddings_orch.pipeline.plan.status.make_status` has them.
    """
    parts = [f"{counts['with_vector']:,} of {count_of_items(counts['items'])} have a vector"]
    if counts["failed"]:
        part = f"{counts['failed']:,} failed ({count_of_contents(counts['failed_contents'])})"
        if counts["partial"]:
            part += f", {counts['partial']:,} of them with the vector of their other inputs"
        parts.append(part)
    if counts["not_embedded"]:
        parts.append(f"{counts['not_embedded']:,} not embedded yet")
    if counts["nothing_to_embed"]:
        parts.append(f"{counts['nothing_to_embed']:,} with nothing to embed")
    return "; ".join(parts)
