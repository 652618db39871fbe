"""What a build of an index starts from: its catalog, vectors and difference, as certain versions have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.media.catalog.reading import item_keys
from embeddings_orch.media.catalog.ready import ReadyVectors
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.lacking import ItemCoverage
from embeddings_orch.pipeline.embeddings.vectors import StoredVectors, vectors_of
from embeddings_orch.pipeline.indexes.delta import IndexDelta, current_table, index_delta
from embeddings_orch.pipeline.indexes.versions import MadeFrom, embedded_fingerprints, vectors_versions
from embeddings_orch.store.tables.states import EmbeddingState


class Versions(NamedTuple):
    """The latest versions of all tables that a build reads or writes."""

    table: int | None
    catalog: int | None
    vectors: dict[str, int]


@dataclass(frozen=True)
class Work:
    """What a build starts from.

    Attributes:
        versions: of all tables that it was read from; others mean that it has to be read again.
        catalog_version: of ``catalog``, which may be an earlier one than the latest.
    """

    versions: Versions
    catalog: pa.Table
    catalog_version: int
    vectors: dict[str, StoredVectors]
    has_vector: dict[str, pa.Array]
    delta: IndexDelta

    @property
    def to_write(self) -> pa.Array:
        """Ids of the rows that the table's latest version lacks, or has otherwise."""
        return pa.array(self.delta.to_write, pa.string())

    def coverage(self, pipeline: Pipeline, name: str) -> ItemCoverage:
        """Which rows have what of an embedding."""
        return ItemCoverage.of(self.catalog, pipeline.spec.embeddings[name].inputs, self.has_vector[name])


def read_versions(pipeline: Pipeline, index: str, table: str) -> Versions:
    """The versions that there are now, of an index with this table."""
    return Versions(
        pipeline.store.index(table).latest(),
        pipeline.store.catalog(pipeline.spec.name).version(),
        vectors_versions(pipeline, index),
    )


def find_work(pipeline: Pipeline, index: str) -> Work:
    """Read what an index is to hold, and compare it with what it holds."""
    table = current_table(pipeline, index)
    versions = read_versions(pipeline, index, table)
    # Read after the versions, so that what is written in between is seen as a change.
    has_vector = {
        name: pipeline.store.vectors(fingerprint).keys()
        for name, fingerprint in embedded_fingerprints(pipeline, index).items()
    }
    catalog, catalog_version = _choose_catalog(pipeline, has_vector, latest=versions.catalog or 0)
    vectors = {name: vectors_of(pipeline, name, catalog) for name in pipeline.spec.indexes[index].vectors}
    has_vector |= {name: ready.keys() for name, ready in vectors.items() if isinstance(ready, ReadyVectors)}
    delta = index_delta(pipeline, index, catalog, has_vector)
    if delta.table != table:  # another run has just given the catalog other columns
        return find_work(pipeline, index)
    return Work(versions, catalog, catalog_version, vectors, has_vector, delta)


def _choose_catalog(pipeline: Pipeline, has_vector: dict[str, pa.Array], *, latest: int) -> tuple[pa.Table, int]:
    """The catalog, or, where another run is about to embed what is new in it, the one that is embedded; its version."""
    catalog = pipeline.catalog()
    versions = [
        state.catalog_version
        for name, keys in has_vector.items()
        if (state := pipeline.store.states.get(pipeline.spec.name, name))
        and _lacks(pipeline, name, state, catalog=catalog, has_vector=keys)
    ]
    before = pipeline.store.catalog(pipeline.spec.name).read(min(versions)) if versions else None
    return (before, min(versions)) if before is not None and before.schema.equals(catalog.schema) else (catalog, latest)


def _lacks(pipeline: Pipeline, name: str, state: EmbeddingState, *, catalog: pa.Table, has_vector: pa.Array) -> bool:
    """Whether contents have neither a vector nor a failure, although the model embedded an earlier catalog."""
    spec = pipeline.spec.embeddings[name]
    fingerprint = spec.config.fingerprint()
    if (state.fingerprint, state.inputs) != (fingerprint, spec.inputs):
        return False
    keys = pa.concat_arrays(item_keys(catalog, spec.inputs)).drop_null()
    keys = keys.filter(pc.invert(pc.is_in(keys, has_vector)))
    return len(keys) > 0 and not set(keys.to_pylist()) <= pipeline.store.failures.of(fingerprint).keys()


def describe_sources(pipeline: Pipeline, index: str, work: Work, *, version: int) -> MadeFrom:
    """What a build was made from.

    Args:
        pipeline: the pipeline.
        index: the index.
        work: of the build.
        version: of the index table that it ended with.
    """
    lacking, nothing = (np.zeros(work.catalog.num_rows, dtype=bool) for _ in range(2))
    embeddings: dict[str, dict[str, int]] = {}
    for name in pipeline.spec.indexes[index].vectors:
        coverage = work.coverage(pipeline, name)
        cancelled = _count_cancelled(pipeline, work, name, version=version, without=int((~coverage.has).sum()))
        lacking |= coverage.lacking
        nothing |= ~coverage.filled
        counts = coverage.count()
        embeddings[name] = {
            "without_vector": counts.without_vector + cancelled,
            "cancelled": cancelled,
            "nothing_to_embed": counts.nothing_to_embed,
        }
    cancelled = sum(counted["cancelled"] for counted in embeddings.values())
    return MadeFrom(
        pipeline.store.deployment,
        work.catalog_version,
        work.versions.vectors,
        without_vector=int(lacking.sum()) + cancelled,
        cancelled=cancelled,
        nothing_to_embed=int(nothing.sum()),
        embeddings=embeddings,
    )


def _count_cancelled(pipeline: Pipeline, work: Work, name: str, *, version: int, without: int) -> int:
    """Rows without a vector although one of their inputs has one; there are none where there is one input."""
    if len(pipeline.spec.embeddings[name].inputs.names) < 2:
        return 0
    held = pipeline.store.index(work.delta.table).count(version, name)
    return int(max(0, work.catalog.num_rows - held - without))
