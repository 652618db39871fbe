"""Checks: what must hold of embeddings and, before it is published, of an index."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from embeddings_orch.embedding.pool.pool import shared_pool
from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.checks.embeddings import EMBEDDING_CHECKS, check_embedding
from embeddings_orch.pipeline.checks.golden import check_golden
from embeddings_orch.pipeline.checks.indexes import check_parity, check_vectors
from embeddings_orch.pipeline.checks.model_change import ModelChange, check_model_change
from embeddings_orch.pipeline.checks.recall import check_recall
from embeddings_orch.pipeline.checks.reproducible import REPRODUCIBLE, check_reproducible
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.vectors import vectors_of
from embeddings_orch.pipeline.indexes.delta import current_generation, wanted_digests
from embeddings_orch.store.tables.generations import CheckResult, Generation

__all__ = [
    "EMBEDDING_CHECKS",
    "INDEX_CHECKS",
    "INDEX_GATES",
    "IndexChecks",
    "check_embedding",
    "check_index",
    "inspect_index",
]

INDEX_GATES = (
    "row_parity",
    "failed_share",
    "finite",
    "dimension",
    "unit_norm",
    "recall_at_10",
    "golden",
    "model_change",
)
"""The checks that block."""

INDEX_CHECKS = (*INDEX_GATES, REPRODUCIBLE)


@dataclass(frozen=True)
class IndexChecks:
    """What the checks of one generation found.

    Attributes:
        results: one for each of `INDEX_CHECKS`, in their order.
        change: how the models differ from the published generation's, None where they do not or cannot be compared.
    """

    generation: Generation
    results: list[CheckResult]
    change: ModelChange | None


def check_index(pipeline: Pipeline, index: str) -> list[CheckResult]:
    """The results of `inspect_index`."""
    return inspect_index(pipeline, index).results


def inspect_index(pipeline: Pipeline, index: str, *, anew: bool = False) -> IndexChecks:
    """Check the newest generation of an index and keep the results with it; publishing asks for them.

    Args:
        pipeline: whose index.
        index: the index.
        anew: embed contents again though nothing has changed since they came out right.

    Raises:
        StoreError: no generation was built, or it cannot be read.
        UnavailableError: the provider that embeds the golden queries did not answer.
    """
    generation = current_generation(pipeline, index)
    if generation is None:
        raise StoreError(f"{pipeline.index_key(index)} was never built; materialize it first")
    limits = pipeline.spec.indexes[index].checks
    table = pipeline.store.index(generation.table)
    catalog, digests = _wanted_rows(pipeline, index, generation)
    parity = check_parity(catalog["id"], digests, table=table, version=generation.version)

    def ids() -> set[str]:
        return {*catalog["id"].to_pylist(), *table.digests(generation.version)}

    changed, change = check_model_change(pipeline, index, generation)
    vectors = check_vectors(pipeline, generation, limits.max_failed)
    recall = check_recall(table, generation, limits.min_recall)
    with shared_pool().lease() as lease:
        # Golden queries need the models again; without them no two are in memory at a time.
        reproducible = check_reproducible(pipeline, generation, lease if limits.golden else None, anew=anew)
        golden = check_golden(pipeline, index, generation, ids)
    results = [parity, *vectors, recall, golden, changed, reproducible]
    proven = tuple(_keep_proof(generation, result) for result in results)
    if proven != generation.checks:
        pipeline.store.generations.put(replace(generation, checks=proven))
    return IndexChecks(generation, results, change)


def _wanted_rows(pipeline: Pipeline, index: str, generation: Generation) -> tuple[pa.Table, pa.Array]:
    """The catalog, and the digests of the rows that it asks for."""
    catalog = pipeline.catalog()
    has_vector: dict[str, pa.Array] = {
        model.column: vectors_of(pipeline, model.column, catalog).keys() for model in generation.models
    }
    return catalog, wanted_digests(pipeline, index, catalog, has_vector)


def _keep_proof(generation: Generation, result: CheckResult) -> CheckResult:
    """The result to store: what a generation proved before it was published is not lost by a later look at it."""
    before = next((check for check in generation.checks if check.name == result.name), result)
    # Rows that agreed with the catalog they were built from stay right when the catalog moves on.
    agreed = result.name == "row_parity" and before.passed
    compared_with_itself = result.name == "model_change" and result.metadata.get("published") == generation.id
    return before if agreed or compared_with_itself else result
