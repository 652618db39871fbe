"""The status of a pipeline: what is published, what was built, what failed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pyarrow.compute as pc

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.catalog.reading import is_there, read_contents
from embeddings_orch.models.analysis import options_of
from embeddings_orch.models.keys import key_array
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import without_vector
from embeddings_orch.pipeline.embeddings.vectors import vectors_of
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store.tables.generations import Generation

LISTED = 10
"""Failed contents that a status names; it counts them all."""


def make_status(pipeline: Pipeline) -> dict[str, Any]:
    """The object that ``status --json`` prints; ``passed`` is None where checks have not run."""
    failed = list_failures(pipeline)
    named = [{name: row[name] for name in ("embedding", "uri", "reason")} for row in failed[:LISTED]]
    indexes = [_index(pipeline, index) for index in pipeline.spec.indexes]
    return {"pipeline": pipeline.spec.name, "indexes": indexes, "failures": len(failed), "failed": named}


def list_generations(pipeline: Pipeline, index: str) -> dict[str, Any]:
    """The object that ``generations --json`` prints: oldest first, as numbered from 1.

    ``kept`` is whether gc leaves a generation alone, None where that cannot be told on this machine.
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
        row["published"] = generation.id == described["published"]
        row["held"] = row["published"] and described["held"]
        row["published_before"] = generation.id in before and not row["published"]
        row["kept"] = None if kept_ids is None else generation.id in kept_ids
    return {"pipeline": name, **described}


def list_failures(pipeline: Pipeline, embedding: str | None = None) -> list[dict[str, Any]]:
    """Contents of the stored catalog that failed, in its order; what failed and is gone since does not count.

    Returns:
        For each ``embedding``, ``id`` and ``uri`` of the first item with the content, ``kind`` (``item``: not tried
        again by itself; ``transient``), ``reason`` and ``at`` (ISO 8601).
    """
    schema = pipeline.store.catalog(pipeline.spec.name).schema()
    failed: list[dict[str, Any]] = []
    for name, spec in pipeline.spec.embeddings.items():
        if embedding not in (None, name):
            continue
        fingerprint = spec.config.fingerprint()
        remembered = pipeline.store.failures.read(fingerprint)
        # A column that the declaration names and the catalog has not yet had is for the next run to report.
        if schema is None or not remembered or not is_there(spec.inputs, schema.names):
            continue
        catalog = pipeline.contents_catalog(spec.inputs)
        have = vectors_of(pipeline, name, catalog).keys()
        failures = without_vector({key: record.failure for key, record in remembered.items()}, have)
        contents = read_contents(catalog, spec.inputs).select(["key", "uri"])
        ids = dict(zip(catalog["uri"].to_pylist(), catalog["id"].to_pylist(), strict=True))
        for row in contents.filter(pc.is_in(contents["key"], key_array(failures))).to_pylist():
            failure = failures[row["key"]]
            failed.append(
                {
                    "embedding": name,
                    "id": ids.get(row["uri"]),
                    "uri": row["uri"],
                    "kind": failure.kind,
                    "reason": failure.reason,
                    "at": remembered[row["key"]].at.isoformat(),
                }
            )
    return failed


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
