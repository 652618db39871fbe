"""What a built generation must hold: the catalog's rows, and vectors that a search can be trusted with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.media.catalog.diff import MEDIA
from embeddings_orch.media.catalog.reading import is_there
from embeddings_orch.models.base import embedder_for
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.models.keys import no_keys
from embeddings_orch.models.rows.sums import sum_digests
from embeddings_orch.pipeline.checks.embeddings import VectorFaults
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.lacking import ItemCoverage
from embeddings_orch.store.tables.generations import CheckResult, Generation, IndexedModel
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.vector_column import VectorColumn
from embeddings_orch.store.tables.vectors import matrix_of

_CONTENT_COLUMNS = ("modality", "content_hash", "text")


def check_parity(ids: pa.ChunkedArray, digests: pa.Array, *, table: IndexTable, version: int) -> CheckResult:
    """Whether a generation holds the rows that it should, each as it should be: as many, with the same sum of digests.

    Args:
        ids: of the rows that the catalog asks for.
        digests: of these rows.
        table: the index table.
        version: of the table.
    """
    count, total = table.digest(version)
    missing = stale = surplus = 0
    if (count, total) != (len(digests), sum_digests(digests)):
        missing, stale, surplus = _compare_rows(
            dict(zip(ids.to_pylist(), digests.to_pylist(), strict=True)), table.digests(version), count
        )
    return CheckResult(
        "row_parity",
        missing == stale == surplus == 0,
        True,
        {"rows": count, "catalog": len(digests), "missing": missing, "stale": stale, "surplus": surplus},
        f"{count:,} rows for {len(digests):,} items: {missing:,} missing, {stale:,} stale, {surplus:,} too many",
    )


def _compare_rows(due: Mapping[str, bytes], stored: Mapping[str, bytes], count: int) -> tuple[int, int, int]:
    """Rows that are missing, stale and too many.

    Args:
        due: id and digest of every row that the catalog asks for.
        stored: id and digest of the generation's rows.
        count: the generation's rows, repeated ids included.
    """
    missing = sum(1 for item in due if item not in stored)
    stale = sum(1 for item, digest in due.items() if item in stored and stored[item] != digest)
    surplus = sum(1 for item in stored if item not in due) + count - len(stored)
    return missing, stale, surplus


def check_vectors(pipeline: Pipeline, generation: Generation, max_failed: float) -> list[CheckResult]:
    """Read every row of a generation and look at its vectors, a batch in memory at a time.

    Args:
        pipeline: whose generation.
        generation: the generation.
        max_failed: largest share of items that may have something to embed and no vector.

    Returns:
        ``failed_share``, ``finite``, ``dimension`` and ``unit_norm``, each over all vector columns.
    """
    columns = [_column(pipeline, generation, model) for model in generation.models]
    return [_check_failed_share(columns, max_failed), _finite(columns), _dimension(columns), _unit_norm(columns)]


@dataclass
class _Column:
    """One vector column as it was read.

    Attributes:
        without: rows that have something to embed, or a ready-made vector, and no vector.
        cancelled: of these, those whose inputs' vectors cancel each other out.
        dimensions: of the column; ``declared`` is what the model says, None where it does not say.
    """

    model: IndexedModel
    dimensions: int
    declared: int | None
    without: int = 0
    cancelled: int = 0
    faults: VectorFaults = field(default_factory=VectorFaults)

    @property
    def items(self) -> int:
        return self.faults.seen + self.without

    @property
    def share(self) -> float:
        return self.without / self.items if self.items else 0.0

    @property
    def normalized(self) -> bool:
        return bool(self.model.settings.get("normalize", True))


def _column(pipeline: Pipeline, generation: Generation, model: IndexedModel) -> _Column:
    vectors = VectorColumn(pipeline.store.index(generation.table), generation, model)
    inputs = model.inputs
    read = ["id", *_read_columns(inputs)]
    column = _Column(model, vectors.dimensions, declared=_declared_dimensions(pipeline, generation, model))
    catalog = keys = None
    for batch in vectors.scan(*read):
        has = pc.is_valid(batch[vectors.name])
        column.faults.add(matrix_of(batch[vectors.name].filter(has)))
        lacking = pa.table(batch.select(read).filter(pc.invert(has)))
        if not lacking.num_rows:
            continue
        if inputs.vectors:
            # An index has no copy of such a column.
            catalog = pipeline.catalog() if catalog is None else catalog
            lacking = catalog.filter(pc.is_in(catalog["id"], lacking["id"].combine_chunks()))
        if not is_there(inputs, lacking.column_names):  # a catalog that has moved on
            continue
        if len(inputs.names) > 1 and keys is None:
            keys = pipeline.store.vectors(model.fingerprint).keys()
        coverage = ItemCoverage.of(lacking, inputs, no_keys() if keys is None else keys)
        column.without += int(coverage.filled.sum())
        column.cancelled += int(coverage.has.sum())
    return column


def _read_columns(inputs: Inputs) -> list[str]:
    """The columns of an index that tell what an embedding is given."""
    columns = [column for name in inputs.names for column in (_CONTENT_COLUMNS if name == MEDIA else (name,))]
    return list(dict.fromkeys(columns))


def _declared_dimensions(pipeline: Pipeline, generation: Generation, model: IndexedModel) -> int | None:
    """The length that the model says; not asked again of a generation that has passed, so that none is made for it."""
    if any(check.name == "dimension" and check.passed for check in generation.checks):
        return model.dimensions
    return embedder_for(pipeline.spec.embeddings[model.column].config).dimensions()


def _check_failed_share(columns: list[_Column], limit: float) -> CheckResult:
    worst = max(columns, key=lambda column: column.share)
    cancelled = f"; of {worst.cancelled:,} the inputs' vectors cancel each other out" if worst.cancelled else ""
    return CheckResult(
        "failed_share",
        worst.share <= limit,
        True,
        {
            "failed": worst.without,
            "items": worst.items,
            "share": round(worst.share, 6),
            "limit": limit,
            "embedding": worst.model.column,
            **({"cancelled": worst.cancelled} if worst.cancelled else {}),
        },
        f"{worst.without:,} of {worst.items:,} items have no vector of {worst.model.column} "
        f"({worst.share:.2%}; the limit is {limit:.2%}){cancelled}",
    )


def _finite(columns: list[_Column]) -> CheckResult:
    wrong, seen = sum(column.faults.infinite for column in columns), sum(column.faults.seen for column in columns)
    return CheckResult(
        "finite",
        wrong == 0,
        True,
        {"not_finite": wrong, "vectors": seen},
        f"{wrong:,} of {seen:,} vectors are not finite",
    )


def _dimension(columns: list[_Column]) -> CheckResult:
    wrong = [
        f"{column.model.column} has {column.dimensions}, its model {column.declared or column.model.dimensions}"
        for column in columns
        if column.dimensions != column.model.dimensions or column.declared not in (None, column.dimensions)
    ]
    lengths = ", ".join(f"{column.model.column} has {column.dimensions}" for column in columns)
    return CheckResult(
        "dimension",
        not wrong,
        True,
        {column.model.column: column.dimensions for column in columns},
        f"dimensions: {'; '.join(wrong) if wrong else lengths}",
    )


def _unit_norm(columns: list[_Column]) -> CheckResult:
    due = [column for column in columns if column.normalized]
    wrong, seen = sum(column.faults.off_norm for column in due), sum(column.faults.seen for column in due)
    return CheckResult(
        "unit_norm",
        wrong == 0,
        True,
        {"off_by_more_than_0.001": wrong, "vectors": seen},
        f"{wrong:,} of {seen:,} vectors are not of unit length" if due else "vectors are not normalized, as configured",
    )
