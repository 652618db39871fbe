"""The versions that an index was made from: where they are as they were, there is nothing to do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from embeddings_orch.models.rows.sums import DIGEST_FIELD
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.delta import IndexDelta, current_table
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.index_states import IndexState


@dataclass(frozen=True)
class MadeFrom:
    """What a generation was made from, and what of that is not in its rows.

    Attributes:
        catalog_version: of the deployment's catalog.
        vectors: the version of each model's table of vectors, by fingerprint; of ready-made ones there is none.
        without_vector: rows that have something to embed for an embedding, and lack its vector.
        cancelled: of these, those whose inputs' vectors cancel each other out, for each embedding.
        nothing_to_embed: rows that have nothing to embed for an embedding.
        embeddings: the same three for each embedding, by its name.
    """

    deployment: str
    catalog_version: int
    vectors: dict[str, int]
    without_vector: int
    cancelled: int
    nothing_to_embed: int = 0
    embeddings: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """As a generation keeps it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, generation: Generation) -> MadeFrom | None:
        """What a generation says of itself; None where it does not, or counts otherwise, as earlier versions did."""
        told = json.loads(generation.made_from or "{}")
        return cls(**told) if "embeddings" in told else None


def embedded_fingerprints(pipeline: Pipeline, index: str) -> dict[str, str]:
    """The fingerprints of an index's embeddings whose vectors are not ready-made: those are the catalog's."""
    used = {name: pipeline.spec.embeddings[name] for name in pipeline.spec.indexes[index].vectors}
    return {name: spec.config.fingerprint() for name, spec in used.items() if not spec.inputs.vectors}


def vectors_versions(pipeline: Pipeline, index: str) -> dict[str, int]:
    """The version of each model's table of vectors that an index reads, by fingerprint; 0 where there is none."""
    fingerprints = sorted({*embedded_fingerprints(pipeline, index).values()})
    return {fingerprint: pipeline.store.vectors(fingerprint).version() or 0 for fingerprint in fingerprints}


def find_unchanged(pipeline: Pipeline, index: str, catalog_version: int | None) -> Generation | None:
    """The generation that an index ended with, where nothing was written since that could change it; no row is read.

    Args:
        pipeline: the pipeline.
        index: the index.
        catalog_version: of the stored catalog that it is to hold; None where that is not stored as it is.

    Returns:
        None where that cannot be told without a look at the rows.
    """
    store = pipeline.store
    state = store.index_states.get(pipeline.spec.name, index)
    if state is None or state.catalog_version != catalog_version:
        return None
    if state.vectors_versions != vectors_versions(pipeline, index):
        return None
    generation = store.generations.get(state.generation)
    if generation is None or MadeFrom.of(generation) is None or store.deployment not in generation.deployments:
        return None
    there = generation.table == current_table(pipeline, index) and store.index(generation.table).at(generation.version)
    return generation if there else None


def unchanged_delta(generation: Generation) -> IndexDelta:
    """The difference of an index whose generation `find_unchanged` found to what it should hold: none."""
    return IndexDelta(
        table=TableName(generation.table),
        digests=pa.array([], DIGEST_FIELD.type),
        new=[],
        changed=[],
        unchanged=generation.rows,
        deleted=[],
        reason="up to date",
        version=generation.version,
        latest=generation.version,
        to_write=[],
        to_delete=[],
    )


def keep_state(pipeline: Pipeline, index: str, generation: Generation, made_from: MadeFrom) -> None:
    """Note what an index ended with, and the versions that it was compared with."""
    state = IndexState(generation.id, made_from.catalog_version, made_from.vectors, generation.digest)
    pipeline.store.index_states.put(pipeline.spec.name, index, state)
