"""Checks: what must hold of embeddings and, before it is published, of an index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.delta import embedding_delta
from embeddings_orch.pipeline.index import current_generation, index_delta
from embeddings_orch.pipeline.recall import SAMPLE, K, farthest_exact, queries, recall
from embeddings_orch.store.generations import CheckResult, Generation
from embeddings_orch.store.vectors import matrix_of

EMBEDDING_CHECKS = ("coverage", "finite", "dimension", "unit_norm", "failed_share")
INDEX_CHECKS = ("row_parity", "recall_at_10")

_NORM_TOLERANCE = 1e-3


def check_embedding(pipeline: Pipeline, name: str) -> list[CheckResult]:
    """Check the vectors that an embedding's contents have; every stored vector is read.

    Returns:
        A result for each of `EMBEDDING_CHECKS`; none is blocking.
    """
    spec = pipeline.spec.embeddings[name]
    delta = embedding_delta(pipeline, name, pipeline.catalog())
    table = pipeline.store.vectors(delta.fingerprint)
    total = delta.wanted.num_rows
    wanted = delta.wanted["key"].combine_chunks()
    infinite = off_norm = seen = 0
    for batch in table.scan():
        rows = matrix_of(batch.filter(pc.is_in(batch["key"], wanted))["vector"])
        norms = np.linalg.norm(rows, axis=1)
        finite = np.isfinite(norms)
        seen += len(rows)
        infinite += int((~finite).sum())
        off_norm += int((np.abs(norms[finite] - 1) > _NORM_TOLERANCE).sum())
    dimensions = table.dimensions()
    from embeddings_orch.embedder import embedder_for

    declared = embedder_for(spec.config).dimensions()
    failed = total - delta.unchanged
    share = failed / total if total else 0.0
    remembered = pc.sum(pc.is_in(pa.array(delta.failures, pa.string()), wanted)).as_py() or 0
    unexplained = failed - remembered
    limits = [index.checks.max_failed for index in pipeline.spec.indexes.values() if name in index.vectors]
    limit = min(limits, default=0.01)
    right = dimensions is None or declared is None or dimensions == declared
    return [
        CheckResult(
            "coverage",
            unexplained <= 0,
            False,
            {"contents": total, "with_vector": delta.unchanged, "failed": remembered},
            f"{delta.unchanged:,} of {total:,} contents have a vector"
            + (f", {unexplained:,} have neither a vector nor a failure" if unexplained > 0 else ""),
        ),
        CheckResult(
            "finite",
            infinite == 0,
            False,
            {"not_finite": infinite},
            f"{infinite:,} of {seen:,} vectors are not finite",
        ),
        CheckResult(
            "dimension",
            right,
            False,
            {"dimensions": dimensions, "declared": declared},
            f"vectors have {dimensions} dimensions" + ("" if right else f", the model says {declared}"),
        ),
        CheckResult(
            "unit_norm",
            off_norm == 0 or not spec.config.normalize,
            False,
            {"off_by_more_than_0.001": off_norm},
            f"{off_norm:,} of {seen:,} vectors are not of unit length"
            if spec.config.normalize
            else "vectors are not normalized, as configured",
        ),
        CheckResult(
            "failed_share",
            share <= limit,
            False,
            {"failed": failed, "share": round(share, 6), "limit": limit},
            f"{failed:,} of {total:,} contents have no vector ({share:.2%}; the limit is {limit:.2%})",
        ),
    ]


def check_index(pipeline: Pipeline, index: str) -> list[CheckResult]:
    """Check the newest generation of an index and keep the results with it; publishing asks for them.

    Returns:
        A result for each of `INDEX_CHECKS`; all are blocking.

    Raises:
        StoreError: no generation was built.
    """
    generation = current_generation(pipeline, index)
    if generation is None:
        raise StoreError(f"{pipeline.index_key(index)} was never built; materialize it first")
    spec = pipeline.spec.indexes[index]
    table = pipeline.store.index(generation.table)
    catalog = pipeline.catalog()
    has_vector: dict[str, pa.Array] = {
        model.column: pipeline.store.vectors(model.fingerprint).keys() for model in generation.models
    }
    due = dict(
        zip(
            catalog["id"].to_pylist(),
            index_delta(pipeline, index, catalog, has_vector).digests.to_pylist(),
            strict=True,
        )
    )
    stored = table.digests(generation.version)
    count = table.count(generation.version)
    missing = sum(1 for item in due if item not in stored)
    stale = sum(1 for item, digest in due.items() if item in stored and stored[item] != digest)
    surplus = sum(1 for item in stored if item not in due) + count - len(stored)
    results = [
        CheckResult(
            "row_parity",
            missing == stale == surplus == 0,
            True,
            {"rows": count, "catalog": len(due), "missing": missing, "stale": stale, "surplus": surplus},
            f"{count:,} rows for {len(due):,} items: {missing:,} missing, {stale:,} stale, {surplus:,} too many",
        )
    ]
    worst, fewest = 1.0, SAMPLE
    for model in generation.models:
        asked = queries(table, generation, model.column)
        fewest = min(fewest, len(asked))
        limits = farthest_exact(table, generation, model.column, asked)
        worst = min(worst, recall(table, generation, model.column, asked, limits))
    wanted = spec.checks.min_recall
    exact = not generation.search
    how = (
        "exact search"
        if exact
        else f"nprobes {generation.search['nprobes']}, refine {generation.search['refine_factor']}"
    )
    results.append(
        CheckResult(
            "recall_at_10",
            worst >= wanted,
            True,
            {
                "recall": round(worst, 4),
                "wanted": wanted,
                "queries": fewest,
                "k": K,
                "search": how,
            },
            f"recall@{K} is {worst:.3f} against exact search, {wanted} is wanted ({how})",
        )
    )
    kept = tuple(_proven(generation, result) for result in results)
    if kept != generation.checks:
        pipeline.store.generations.put(replace(generation, checks=kept))
    return results


def _proven(generation: Generation, result: CheckResult) -> CheckResult:
    """What is kept: rows that agreed with the catalog they were built from stay right when the catalog moves on."""
    before = [check for check in generation.checks if check.name == result.name == "row_parity" and check.passed]
    return before[0] if before else result
