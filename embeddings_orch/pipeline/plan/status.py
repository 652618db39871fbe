"""The status of a pipeline: what is published, what was built, what failed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.analysis import options_of
from embeddings_orch.pipeline.catalog.notes import read_notes
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.lacking import FailedItem, ItemCounts, find_items
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.indexes.versions import MadeFrom
from embeddings_orch.store.tables.generations import Generation

LISTED = 10
"""Failed items of an embedding that a status names; it counts them all."""


def make_status(pipeline: Pipeline, embeddings: Iterable[str] | None = None, *, most: int = LISTED) -> dict[str, Any]:
    """The object that ``status --json`` prints; ``passed`` is None where checks have not run.

    ``media`` tells what the last scan did not take in; ``embeddings`` counts the items of each by what they have of it,
    see `ItemCounts`; ``failures`` is the number of those that failed, of which ``failed`` names some.

    Args:
        pipeline: the pipeline.
        embeddings: whose items are counted; default all.
        most: failed items of an embedding that are named.
    """
    names = pipeline.spec.embeddings if embeddings is None else embeddings
    found = {name: find_items(pipeline, name, most=most) for name in names}
    counted = {name: items.counts for name, items in found.items() if items is not None}
    failed = [_failed_item(item) for items in found.values() if items is not None for item in items.failed]
    return {
        "pipeline": pipeline.spec.name,
        "media": read_notes(pipeline).to_json(),
        "indexes": [_index(pipeline, index) for index in pipeline.spec.indexes],
        "embeddings": [_counts(name, counts) for name, counts in counted.items()],
        "failures": sum(counts.failed for counts in counted.values()),
        "failed": [{name: row[name] for name in ("embedding", "id", "uri", "reason")} for row in failed],
    }


def list_generations(pipeline: Pipeline, index: str) -> dict[str, Any]:
    """The object that ``generations --json`` prints: oldest first, as numbered from 1.

    ``without_vector`` counts the items that have something to embed and no vector, by embedding; ``kept`` is whether gc
    leaves a generation alone, None where that cannot be told on this machine.
    """
    store, name = pipeline.store, pipeline.spec.name
    described = _index(pipeline, index)
    log = store.publications.of(name, index)
    before = {generation_id for entry in log for generation_id in (entry.generation, entry.previous)}
    generations = store.generations.of(name, index)
    kept_ids: set[str] | None = None
    with suppress(EmbeddingsOrchError):  # a model's weights are missing
        kept_ids = Needs(pipeline).needed_generations(name, index, generations)
    for number, (row, generation) in enumerate(zip(described["generations"], generations, strict=True), 1):
        row["number"] = number
        row["table"], row["version"] = generation.table, generation.version
        row["providers"] = {
            model.column: f"{model.provider}/{model.settings['name']}" if "name" in model.settings else model.provider
            for model in generation.models
        }
        row["recall"] = _recall(generation)
        made_from = MadeFrom.of(generation)
        counted = made_from.embeddings if made_from else {}
        row["without_vector"] = {name: counts["without_vector"] for name, counts in counted.items()}
        row["published"] = generation.id == described["published"]
        row["held"] = row["published"] and described["held"]
        row["published_before"] = generation.id in before and not row["published"]
        row["kept"] = None if kept_ids is None else generation.id in kept_ids
    return {"pipeline": name, **described}


def make_failures(pipeline: Pipeline, embedding: str | None = None) -> dict[str, Any]:
    """The object that ``failures --json`` prints, of all embeddings or of one.

    Returns:
        ``embeddings`` as `make_status` has them, and in ``failed`` the items of the stored catalog with a content that
        failed, in its order, once for each embedding: ``embedding``, ``id`` and ``uri`` of the item, ``kind``
        (``item``: not tried again by itself; ``transient``; ``limit``: too large), ``reason``, ``at`` (ISO 8601), and
        ``has_vector``: whether its other inputs gave it one. What failed and is gone since does not count.
    """
    names = [name for name in pipeline.spec.embeddings if embedding in (None, name)]
    found = {name: items for name in names if (items := find_items(pipeline, name)) is not None}
    failed = [_failed_item(item) for items in found.values() for item in items.failed]
    counts = [_counts(name, items.counts) for name, items in found.items()]
    return {"pipeline": pipeline.spec.name, "failures": len(failed), "failed": failed, "embeddings": counts}


def _counts(name: str, counts: ItemCounts) -> dict[str, Any]:
    return {"embedding": name, **asdict(counts), "without_vector": counts.without_vector}


def _failed_item(item: FailedItem) -> dict[str, Any]:
    names = ("embedding", "id", "uri", "kind", "reason")
    return {**{name: getattr(item, name) for name in names}, "at": item.at.isoformat(), "has_vector": item.has_vector}


def _index(pipeline: Pipeline, index: str) -> dict[str, Any]:
    pointer = pipeline.store.published.get(pipeline.spec.name, index)
    return {
        "index": index,
        "published": pointer.generation,
        "held": pointer.held,
        "generations": [
            {
                "generation": generation.id,
                "rows": generation.rows,
                "created_at": generation.created_at.isoformat(),
                "passed": generation.passed if generation.checks else None,
                "checks": {check.name: check.passed for check in generation.checks},
                "models": {model.column: model.fingerprint for model in generation.models},
                "full_text": list(generation.full_text),
                "full_text_options": options_of(generation.full_text, generation.analysis),
            }
            for generation in pipeline.store.generations.of(pipeline.spec.name, index)
        ],
    }


def _recall(generation: Generation) -> float | None:
    measured = [check.metadata.get("recall") for check in generation.checks if check.name == "recall_at_10"]
    return min((float(share) for share in measured if share is not None), default=None)
