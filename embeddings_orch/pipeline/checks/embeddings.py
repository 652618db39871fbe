"""What should hold of an embedding's vectors; a failed check warns and stops nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from embeddings_orch.media.catalog.ready import NORM_TOLERANCE
from embeddings_orch.models.base import embedder_for
from embeddings_orch.models.content import Vectors
from embeddings_orch.models.keys import key_array
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import embedding_delta
from embeddings_orch.pipeline.embeddings.lacking import ItemCoverage
from embeddings_orch.store.tables.generations import CheckResult
from embeddings_orch.store.tables.vectors import matrix_of


@dataclass
class VectorFaults:
    """Vectors seen, those that hold NaN or infinity, and the finite ones that are not of unit length."""

    seen: int = 0
    infinite: int = 0
    off_norm: int = 0

    def add(self, rows: Vectors) -> None:
        """Count some more vectors, shape (n, dimensions)."""
        finite = np.isfinite(rows).all(axis=1)
        norms = np.linalg.norm(rows[finite], axis=1)
        self.seen += len(rows)
        self.infinite += int((~finite).sum())
        self.off_norm += int((np.abs(norms - 1) > NORM_TOLERANCE).sum())


EMBEDDING_CHECKS = ("coverage", "finite", "dimension", "unit_norm", "failed_share")


def check_embedding(pipeline: Pipeline, name: str) -> list[CheckResult]:
    """Check the vectors that an embedding's contents have; read every stored vector.

    Returns:
        A result for each of `EMBEDDING_CHECKS`; none is blocking.
    """
    spec = pipeline.spec.embeddings[name]
    catalog = pipeline.contents_catalog(spec.inputs)
    delta = embedding_delta(pipeline, name, catalog)
    assert delta.has_vector is not None
    items = ItemCoverage.of(catalog, spec.inputs, delta.has_vector).count()
    table = delta.vectors
    total = delta.wanted.num_rows
    keys = delta.wanted["key"].combine_chunks()
    faults = VectorFaults()
    for batch in table.scan(keys):
        faults.add(matrix_of(batch["vector"]))
    dimensions = table.dimensions()
    declared = embedder_for(spec.config).dimensions()
    covered = delta.covered
    embeddable = items.items - items.nothing_to_embed
    share = items.without_vector / embeddable if embeddable else 0.0
    failures = key_array(delta.failures)
    remembered = (pc.sum(pc.is_in(failures, keys)).as_py() or 0) if len(failures) else 0
    unexplained = total - covered - remembered
    limits = [index.checks.max_failed for index in pipeline.spec.indexes.values() if name in index.vectors]
    limit = min(limits, default=0.01)
    right = dimensions is None or declared is None or dimensions == declared
    return [
        CheckResult(
            "coverage",
            unexplained <= 0,
            False,
            {"contents": total, "with_vector": covered, "failed_contents": remembered},
            f"{covered:,} of {total:,} contents have a vector"
            + (f", {unexplained:,} have neither a vector nor a failure" if unexplained > 0 else ""),
        ),
        CheckResult(
            "finite",
            faults.infinite == 0,
            False,
            {"not_finite": faults.infinite},
            f"{faults.infinite:,} of {faults.seen:,} vectors are not finite",
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
            faults.off_norm == 0 or not spec.config.normalize,
            False,
            {"off_by_more_than_0.001": faults.off_norm},
            f"{faults.off_norm:,} of {faults.seen:,} vectors are not of unit length"
            if spec.config.normalize
            else "vectors are not normalized, as configured",
        ),
        CheckResult(
            "failed_share",
            share <= limit,
            False,
            {"failed": items.without_vector, "items": embeddable, "share": round(share, 6), "limit": limit},
            f"{items.without_vector:,} of {embeddable:,} items have no vector ({share:.2%}; the limit is {limit:.2%})",
        ),
    ]
