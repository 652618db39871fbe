"""The measured gate: how much of exact search an index finds, how fast, and what it takes on the disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from embeddings_orch.models.content import Vectors
from embeddings_orch.pipeline.indexes.recall import SAMPLE, K, farthest_exact, queries, recall
from embeddings_orch.store.tables.generations import CheckResult, Generation
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.vector_column import VectorColumn

_TIMED = 10
"""Searches whose time is taken, one after another."""


def check_recall(
    table: IndexTable, generation: Generation, min_recall: float, *, clock: Callable[[], float] = time.perf_counter
) -> CheckResult:
    """Search for sampled vectors and compare with brute force; the worst vector column counts.

    The metadata has also ``latency_ms``, the median time of one search, and ``table_bytes``. Both are measured once
    for a generation and its search parameters, so that a check of what is unchanged writes nothing.
    """
    worst, fewest, slowest = 1.0, SAMPLE, 0.0
    search = (
        f"nprobes {generation.search['nprobes']}, refine {generation.search['refine_factor']}"
        if generation.search
        else "exact search"
    )
    before = _earlier_measure(generation, search)
    for model in generation.models:
        column = VectorColumn(table, generation, model)
        sampled = queries(column)
        fewest = min(fewest, len(sampled))
        worst = min(worst, recall(column, sampled, farthest_exact(column, sampled)))
        if not before:
            slowest = max(slowest, _latency(column, sampled[:_TIMED], clock))
    return CheckResult(
        "recall_at_10",
        worst >= min_recall,
        True,
        {
            "recall": round(worst, 4),
            "wanted": min_recall,
            "queries": fewest,
            "k": K,
            "search": search,
            **(before or {"latency_ms": round(slowest * 1000, 2), "table_bytes": table.bytes}),
        },
        f"recall@{K} is {worst:.3f} against exact search, {min_recall} is wanted ({search})",
    )


def _earlier_measure(generation: Generation, search: str) -> dict[str, Any]:
    """What an earlier check of the same rows and the same search measured; empty where there was none."""
    for check in generation.checks:
        if check.name == "recall_at_10" and check.metadata.get("search") == search and "latency_ms" in check.metadata:
            return {name: check.metadata[name] for name in ("latency_ms", "table_bytes")}
    return {}


def _latency(column: VectorColumn, queries: Vectors, clock: Callable[[], float]) -> float:
    """Median seconds of a search; 0 where there is nothing to search for."""
    taken = []
    for query in queries:
        started = clock()
        column.nearest(query, K)
        taken.append(clock() - started)
    return statistics.median(taken) if taken else 0.0
