"""The status of a pipeline: what is published, what was built, what failed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.media.catalog import MEDIA, contents
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.delta import without_vector

LISTED = 10
"""Failed contents that a status names; it counts them all."""


def make_status(pipeline: Pipeline) -> dict[str, Any]:
    """The object that ``status --json`` prints; ``passed`` is None where checks have not run."""
    store, name = pipeline.store, pipeline.spec.name
    indexes = []
    for index in pipeline.spec.indexes:
        pointer = store.published.get(name, index)
        generations = [
            {
                "generation": generation.id,
                "rows": generation.rows,
                "created_at": generation.created_at.isoformat(),
                "passed": generation.passed if generation.checks else None,
                "checks": {check.name: check.passed for check in generation.checks},
                "models": {model.column: model.fingerprint for model in generation.models},
            }
            for generation in store.generations.of(name, index)
        ]
        indexes.append(
            {
                "index": index,
                "published": pointer.generation,
                "held": pointer.held,
                "generations": generations,
            }
        )
    failed = _failed(pipeline)
    return {
        "pipeline": name,
        "indexes": indexes,
        "failures": len(failed),
        "failed": failed[:LISTED],
    }


def _failed(pipeline: Pipeline) -> list[dict[str, str]]:
    """Contents of the stored catalog that failed, in its order; what failed and is gone since does not count."""
    catalog = pipeline.store.catalog(pipeline.spec.name).read()
    failed: list[dict[str, str]] = []
    for name, spec in pipeline.spec.embeddings.items():
        fingerprint = spec.config.fingerprint()
        have = pipeline.store.vectors(fingerprint).keys()
        failures = without_vector(pipeline.store.failures.of(fingerprint), have)
        # A column that the declaration names and the catalog has not yet had is for the next run to report.
        if catalog is not None and failures and spec.input in {MEDIA, *catalog.schema.names}:
            wanted = contents(catalog, spec.input).select(["key", "uri"])
            rows = wanted.filter(pc.is_in(wanted["key"], pa.array(failures, pa.string()))).to_pylist()
            failed += [{"embedding": name, "uri": row["uri"], "reason": failures[row["key"]].reason} for row in rows]
    return failed
