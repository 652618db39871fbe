"""The status of a pipeline: what is published, what was built, what failed."""

from __future__ import annotations

from typing import Any

from embeddings_orch.media.catalog import MEDIA, contents
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.delta import without_vector


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
    return {"pipeline": name, "indexes": indexes, "failures": _failures(pipeline)}


def _failures(pipeline: Pipeline) -> int:
    """Contents of the stored catalog that failed; what failed and is gone since does not count."""
    catalog = pipeline.store.catalog(pipeline.spec.name).read()
    count = 0
    for spec in pipeline.spec.embeddings.values():
        fingerprint = spec.config.fingerprint()
        have = pipeline.store.vectors(fingerprint).keys()
        failures = without_vector(pipeline.store.failures.of(fingerprint), have)
        # A column that the declaration names and the catalog has not yet had is for the next run to report.
        if catalog is not None and failures and spec.input in {MEDIA, *catalog.schema.names}:
            count += len(failures.keys() & set(contents(catalog, spec.input)["key"].to_pylist()))
    return count
